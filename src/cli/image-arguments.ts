/** What `atoll image add` is asked for, checked before anything is done. */
import { resolve } from 'node:path';
import { catalogueImage, distributionOf, whyNotAdded } from '../cloud/images/index.ts';
import type { SuiteRequest } from '../setup/images/suite.ts';
import { usageError } from './command.ts';

export type ImageSource =
  | { origin: 'suite'; suite: SuiteRequest }
  | { origin: 'url'; url: string; sha256?: string }
  | { origin: 'file'; file: string; sha256?: string }
  /** Only its name, for a simulated world. */
  | { origin: 'simulated' };

export interface AddRequest {
  slug: string;
  /** What the API calls it; absent: told by what is added. */
  name?: string | undefined;
  distribution?: string | undefined;
  from: ImageSource;
}

export const addOptions = {
  suite: { type: 'string' },
  mirror: { type: 'string' },
  keyring: { type: 'string' },
  'allow-unsigned': { type: 'boolean' },
  'allow-expired': { type: 'boolean' },
  url: { type: 'string' },
  file: { type: 'string' },
  sha256: { type: 'string' },
  distribution: { type: 'string' },
  name: { type: 'string' },
} as const;

export type AddValues = { [name in keyof typeof addOptions]?: string | boolean | undefined } & {
  suite?: string | undefined;
  mirror?: string | undefined;
  keyring?: string | undefined;
  url?: string | undefined;
  file?: string | undefined;
  sha256?: string | undefined;
  distribution?: string | undefined;
  name?: string | undefined;
};

/** @throws Error with exit code 2 where the command line does not say what is meant */
export function addRequest(slug: string, values: AddValues, mode: 'real' | 'simulated'): AddRequest {
  const why = whyNotAdded(slug, mode);
  if (why !== undefined) throw usageError(`image add: ${why}`);
  return { slug, ...labels(slug, values, mode), from: sourceOf(values, mode) };
}

/** The name and distribution of a slug that is new. */
function labels(
  slug: string,
  { name, distribution }: AddValues,
  mode: 'real' | 'simulated',
): Pick<AddRequest, 'name' | 'distribution'> {
  const known = catalogueImage(slug);
  if (known) {
    if (name !== undefined || distribution !== undefined)
      throw usageError(
        `image add: ${slug} has its name in the catalogue (${known.distribution} ${known.name}): leave out --name and --distribution`,
      );
    return { name: known.name, distribution: known.distribution };
  }
  if (name !== undefined && !/^[^\p{Cc}]{1,255}$/u.test(name))
    throw usageError('image add: --name may have 255 characters, on one line');
  const simulated = mode === 'simulated';
  return {
    name: name ?? (simulated ? slug : undefined),
    distribution:
      distribution === undefined ? (simulated ? 'Unknown' : undefined) : distributionOf(distribution),
  };
}

function sourceOf(values: AddValues, mode: 'real' | 'simulated'): ImageSource {
  const { suite, url, file, sha256 } = values;
  const given = (['suite', 'url', 'file'] as const).filter((option) => values[option] !== undefined);
  if (mode === 'simulated') {
    if (given.length > 0)
      throw usageError(
        `image add: leave out --${given.join(', --')}: in a simulated Atoll an image is only a name`,
      );
    return { origin: 'simulated' };
  }
  if (given.length !== 1)
    throw usageError(
      'image add: one of --suite, --url and --file is needed, as in: atoll image add debian-11-x64 --suite bullseye',
    );
  for (const option of ['mirror', 'keyring', 'allow-unsigned', 'allow-expired'] as const)
    if (values[option] !== undefined && suite === undefined)
      throw usageError(`image add: --${option} belongs to --suite`);
  if (suite !== undefined) {
    if (sha256 !== undefined) throw usageError('image add: --sha256 belongs to --url or --file');
    return { origin: 'suite', suite: suiteOf(suite, values) };
  }
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256))
    throw usageError('image add: --sha256 is 64 hex digits, as sha256sum prints them');
  const digest = sha256 === undefined ? {} : { sha256: sha256.toLowerCase() };
  if (url !== undefined) return { origin: 'url', url: webAddress('url', url), ...digest };
  return { origin: 'file', file: resolve(file ?? ''), ...digest };
}

function suiteOf(suite: string, values: AddValues): SuiteRequest {
  if (!/^[a-z][a-z0-9.-]*$/.test(suite))
    throw usageError(`image add: --suite ${suite}: the code name of a release is needed, as in noble`);
  const { mirror, keyring } = values;
  if (mirror !== undefined && URL.canParse(mirror) && /@/.test(new URL(mirror).href.split('/')[2] ?? ''))
    throw usageError(
      'image add: --mirror: every droplet of the image could read the name and password in it. ' +
        'Name a mirror that asks for none.',
    );
  return {
    suite,
    mirror: mirror === undefined ? undefined : webAddress('mirror', mirror).replace(/\/+$/, ''),
    keyring: keyring === undefined ? undefined : resolve(keyring),
    allowUnsigned: values['allow-unsigned'] === true,
    allowExpired: values['allow-expired'] === true,
  };
}

function webAddress(option: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // It becomes a word of a line of APT's sources.
  if (url && ['http:', 'https:'].includes(url.protocol) && !/[\s[\]]/.test(text)) return url.href;
  throw usageError(
    `image add: --${option} ${text}: an address that begins with http:// or https:// is needed`,
  );
}
