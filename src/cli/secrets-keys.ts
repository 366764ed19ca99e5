/** The key file of a home: made by `up`, looked after by `doctor`. */
import { chmodSync, chownSync, existsSync, mkdirSync } from 'node:fs';
import { type Config, paths } from '../config.ts';
import type { Finding } from '../setup/capabilities.ts';
import type { User } from '../setup/user.ts';
import { firstKeys, readKeyFile, restore, syncDirectory, writeKeyFile } from '../store/key-file.ts';
import { type KeyUse, keysInUse } from '../store/sealed-columns.ts';
import type { Queryable } from '../store/store.ts';
import { withStore } from './database.ts';

/** How to type a command for this home. */
const atoll = (home: string, command: string): string => `./atoll ${command} --home ${home}`;

const count = (uses: readonly KeyUse[]): number => uses.reduce((sum, { values }) => sum + values, 0);

/** `3 secrets`. */
export const secretsText = (n: number): string => `${n} secret${n === 1 ? '' : 's'}`;

/**
 * Sees to it that the home has a key file that the control plane can read, and no one else.
 * @param acceptLost makes a new one though the database has secrets that were sealed with a lost one
 * @throws where there is none and the database has sealed secrets: a new one could not open them
 */
export async function ensureKeys(
  { home, user, db, now }: { home: string; user: User | undefined; db: Queryable; now: Date },
  { acceptLost }: { acceptLost: boolean },
): Promise<string> {
  const { secrets: directory, keys: file } = paths(home);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (user) {
    // Root's own: nobody else puts a name into it that root would follow.
    chownSync(directory, 0, user.gid);
    chmodSync(directory, 0o710);
  }
  const uses = await keysInUse(db);
  if (existsSync(file)) {
    // One that was restored from a backup is whose it was there.
    chmodSync(file, 0o600);
    if (user) chownSync(file, user.uid, user.gid);
    const lost = count(lacking(file, uses));
    return lost > 0 ? `${secretsText(lost)} cannot be read: ${atoll(home, 'doctor')}` : 'key file there';
  }
  const sealed = count(uses);
  if (sealed > 0 && !acceptLost) throw new Error(whyNoKeys(file, sealed, home));
  // Before the first secret is sealed: no crash leaves a home without the key of its database.
  writeKeyFile(file, firstKeys(now), user);
  syncDirectory(home);
  return sealed > 0 ? `new key file; ${secretsText(sealed)} of the lost one cannot be read` : 'key file made';
}

const whyNoKeys = (file: string, sealed: number, home: string): string =>
  [
    `The key file ${file} is gone, and the database has ${secretsText(sealed)} that only its keys open.`,
    'Nothing was changed. What can be done:',
    `  - restore ${file} from the backup that goes with this database, then: ${atoll(home, 'up')}`,
    `  - where it is lost for good, and the secrets with it: ${atoll(home, 'up')} --accept-lost-secrets`,
  ].join('\n');

/** The keys that values are sealed with and the file lacks. @throws KeyFileError */
function lacking(file: string, uses: readonly KeyUse[]): KeyUse[] {
  const known = new Set(readKeyFile(file).keys.map(({ id }) => id));
  return uses.filter(({ key }) => !known.has(key));
}

/** What is wrong with the key file of a home, as far as this user may see it. */
export async function secretsFindings(home: string, config: Config): Promise<Finding[]> {
  const file = paths(home).keys;
  const finding = (detail: string, remedy: string): Finding => ({
    name: 'secrets',
    ok: false,
    detail,
    remedy,
  });
  // That the database does not answer is told elsewhere.
  const uses = await withStore(home, config, ({ db }) => keysInUse(db)).catch(() => undefined);
  if (!existsSync(file)) {
    const sealed = uses ? `, and the database has ${secretsText(count(uses))}` : '';
    const remedy = uses && count(uses) === 0 ? `${atoll(home, 'up')} makes a new one` : restore(file);
    return [finding(`the key file ${file} is gone${sealed} that only its keys open`, remedy)];
  }
  try {
    return lacking(file, uses ?? []).map(({ key, values }) =>
      finding(`${secretsText(values)} cannot be read: ${file} lacks key ${key}`, restore(file)),
    );
  } catch (error) {
    return [finding((error as Error).message, 'nothing that needs a secret works until then')];
  }
}
