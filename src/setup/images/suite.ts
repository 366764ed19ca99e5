/** An image of a suite that the operator names, of any mirror of Debian or Ubuntu: built as our own images are. */
import { existsSync } from 'node:fs';
import { debianMirror, readAptSources } from '../apt-sources.ts';
import { osRelease } from '../os-release.ts';
import type { Archive, Recipe } from './recipe.ts';
import { droplet } from './recipes/droplet.ts';
import { type Release, releaseOf } from './release.ts';

export interface SuiteRequest {
  /** `noble` */
  suite: string;
  /** Absent: where this machine gets Debian from. */
  mirror?: string | undefined;
  /** What the mirror is signed with; absent: Debian's or Ubuntu's own. */
  keyring?: string | undefined;
  allowUnsigned: boolean;
  allowExpired: boolean;
}

/** How the archives that we know of differ. */
const archives: Record<string, { components: string[]; keyring: string; from: string }> = {
  Debian: {
    components: ['main'],
    keyring: '/usr/share/keyrings/debian-archive-keyring.gpg',
    from: "Debian's package debian-archive-keyring",
  },
  Ubuntu: {
    components: ['main', 'universe'],
    keyring: '/usr/share/keyrings/ubuntu-archive-keyring.gpg',
    from: "Ubuntu's package ubuntu-keyring",
  },
};

/** Where droplets have a keyring that the operator gave: APT tells by the name whether it is armoured. */
const keyringInside = (keyring: string): string =>
  `/etc/apt/keyrings/atoll-mirror.${keyring.endsWith('.asc') ? 'asc' : 'gpg'}`;

/**
 * What Ubuntu's cloud-init is told besides. By netplan it would write the network's files under names that ours are not
 * beside, and into APT's sources a mirror of its own instead of the operator's.
 */
const ubuntuConfig = {
  path: '/etc/cloud/cloud.cfg.d/96-ubuntu.cfg',
  content: `system_info: { network: { renderers: [ networkd ] } }
apt: { preserve_sources_list: true }
`,
  mode: 0o644,
};

interface Sources {
  recipe: Recipe;
  /** Of the suite itself. */
  release: Release;
}

/**
 * The recipe of an image for a suite, with the updates and security updates that its mirror has.
 * @throws Error saying what is wrong with the mirror, and what may be done about it
 */
export async function suiteRecipe(
  name: string,
  request: SuiteRequest,
  { now, ask = releaseOf }: { now: Date; ask?: typeof releaseOf },
): Promise<Sources> {
  const { suite } = request;
  const own = ownMirror();
  const mirror = request.mirror ?? own?.main;
  if (mirror === undefined)
    throw new Error("This machine's APT has no mirror of Debian: name one by --mirror URL.");
  const release = await ask(mirror, suite);
  if (!release)
    throw new Error(
      `${mirror} has no suite ${suite} (${mirror}/dists/${suite}/InRelease is not there). ` +
        'Name another mirror by --mirror URL: suites of old releases are kept by the archives of Debian and Ubuntu for these.',
    );
  const found = [{ uri: mirror, suite, release }];
  const security = release.origin === 'Debian' ? own?.security : mirror;
  for (const [uri, more] of [
    [mirror, `${suite}-updates`],
    [security, `${suite}-security`],
  ] as const) {
    const also = uri === undefined ? undefined : await ask(uri, more);
    if (uri !== undefined && also) found.push({ uri, suite: more, release: also });
  }
  for (const each of found) checkRelease(each, request, now);
  return { recipe: recipeOf(name, request, found, release), release };
}

function ownMirror() {
  try {
    return debianMirror(readAptSources(), osRelease().codename);
  } catch {
    return undefined;
  }
}

function checkRelease(
  { uri, suite, release }: { uri: string; suite: string; release: Release },
  { allowExpired, allowUnsigned }: SuiteRequest,
  now: Date,
): void {
  if (!release.signed && !allowUnsigned)
    throw new Error(
      `The suite ${suite} at ${uri} is not signed: whoever is between here and there can change it. ` +
        'Take it all the same by --allow-unsigned.',
    );
  if (release.validUntil && release.validUntil < now && !allowExpired)
    throw new Error(
      `The suite ${suite} at ${uri} was to be trusted until ${release.validUntil.toISOString().slice(0, 10)}: ` +
        'the mirror is no longer fed, or a snapshot. Take it all the same by --allow-expired.',
    );
}

/** @throws Error where there is no keyring to check the mirror by */
function archiveOf({ origin, components }: Release, request: SuiteRequest): Archive {
  const { allowExpired, allowUnsigned } = request;
  const known = archives[origin];
  const keyring = request.keyring ?? known?.keyring;
  const signer = request.keyring === undefined ? known?.keyring : keyringInside(request.keyring);
  if (!allowUnsigned) {
    if (keyring === undefined)
      throw new Error(
        `The mirror is ${origin}'s, whose keyring is not known here: name it by --keyring FILE (or take it unchecked, by --allow-unsigned).`,
      );
    if (!existsSync(keyring))
      throw new Error(
        `The keyring ${keyring} is not here${known && !request.keyring ? ` (it is in ${known.from})` : ''}: ` +
          'name one by --keyring FILE (or take the mirror unchecked, by --allow-unsigned).',
      );
  }
  return {
    os: origin,
    components: known?.components ?? components,
    options: [
      allowUnsigned ? 'trusted=yes' : `signed-by=${keyring}`,
      ...(allowExpired ? ['check-valid-until=no'] : []),
    ],
    lines: [
      allowUnsigned ? 'Trusted: yes' : `Signed-By: ${signer}`,
      ...(allowExpired ? ['Check-Valid-Until: no'] : []),
    ],
    ...(!allowUnsigned &&
      request.keyring !== undefined &&
      signer !== undefined && { keyring: { from: request.keyring, to: signer } }),
    // Ubuntu lets systemd listen for sshd, which then starts with the first to come.
    disable: origin === 'Ubuntu' ? ['ssh.socket'] : [],
  };
}

function recipeOf(
  name: string,
  request: SuiteRequest,
  found: readonly { uri: string; suite: string }[],
  release: Release,
): Recipe {
  const ubuntu = release.origin === 'Ubuntu';
  return {
    name,
    version: release.version ?? release.codename,
    codename: request.suite,
    sources: found.map(({ uri, suite }) => ({ uri, suite })),
    ...droplet,
    // Not everywhere is it among what every system has.
    packages: [...droplet.packages, 'apt', ...(ubuntu ? ['lsb-release'] : [])],
    // Of older suites than ours: what they start in a container, and what cannot do its work there.
    mask: [...droplet.mask, 'networking.service', 'systemd-journald-audit.socket'],
    files: ubuntu
      ? [
          // Its own takes the names of locales as it is.
          ...droplet.files.filter(({ path }) => path !== '/usr/local/sbin/locale-gen'),
          ubuntuConfig,
        ]
      : droplet.files,
    archive: archiveOf(release, request),
  };
}
