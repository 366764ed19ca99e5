/** Bytes that were kept and are missing, keys that are, and what else hostd cannot put right: for `doctor` and `status`. */
import { missingBytes } from '../cloud/index.ts';
import type { MissingBytes } from '../cloud/product.ts';
import { type Config, paths } from '../config.ts';
import type { Finding } from '../setup/capabilities.ts';
import { withStore } from './database.ts';
import { secretsFindings } from './secrets-keys.ts';

/** More of them are one fault, and not so many. */
const most = 20;

/** Volumes, snapshots and images whose bytes are missing, at most 20 each; null where the database does not answer. */
export async function findMissingBytes(home: string, config: Config): Promise<MissingBytes[] | null> {
  try {
    return await withStore(home, config, ({ db }) => missingBytes(db, most));
  } catch {
    return null;
  }
}

/** What a person does about each of them. */
export function missingFindings(volumes: string, missing: MissingBytes[]): Finding[] {
  return missing.map((each) => {
    const { kind, id, name, since } = each;
    const what =
      each.engineName !== undefined
        ? `${each.engineName} of Incus`
        : `${volumes}/${kind === 'volume' ? '' : 'snapshots/'}${id}.img`;
    return {
      name: kind,
      ok: false,
      detail: `the bytes of ${id} (${name}) have been missing since ${since.toISOString()}`,
      remedy: `bring ${what} back, from a backup or by mounting its disk: it is used again by itself. Nothing was made in its place; what is lost for good, its owner can delete`,
    };
  });
}

/** All that an Atoll which runs has to complain about. `trouble`: what its hostd says. */
export async function troubles(home: string, config: Config, trouble?: string): Promise<Finding[]> {
  const missing = missingFindings(paths(home).volumes, (await findMissingBytes(home, config)) ?? []);
  const wrong = [...(await secretsFindings(home, config)), ...missing];
  return trouble ? [...wrong, { name: 'hostd', ok: false, detail: trouble }] : wrong;
}
