import { existsSync } from 'node:fs';
import { systemClock } from '../base/clock.ts';
import { type Config, paths, readConfig } from '../config.ts';
import { readKeyFile } from '../store/key-file.ts';
import { beginRotation, endRotation, resealAll } from '../store/rotation.ts';
import { keysInUse } from '../store/sealed-columns.ts';
import { defineCommand, usageError } from './command.ts';
import { withStore } from './database.ts';
import { withHomeLock } from './home-lock.ts';
import { secretsText } from './secrets-keys.ts';
import { createSteps } from './steps.ts';
import { commandFor } from './up-options.ts';

/** So many are named of those that cannot be read. */
const most = 5;

interface KeyLine {
  id: string;
  state: 'current' | 'retired' | 'missing';
  createdAt: string | null;
  retiredAt: string | null;
  /** How many values of the database are sealed with it. */
  values: number;
}

/** The keys of the file and those that the database needs besides; never a key itself. */
async function keyLines(home: string, config: Config): Promise<KeyLine[]> {
  const { current, keys } = readKeyFile(paths(home).keys);
  const uses = await withStore(home, config, ({ db }) => keysInUse(db));
  const values = (id: string) => uses.find(({ key }) => key === id)?.values ?? 0;
  const known = keys.map(
    ({ id, createdAt, retiredAt }): KeyLine => ({
      id,
      state: id === current ? 'current' : 'retired',
      createdAt,
      retiredAt: retiredAt ?? null,
      values: values(id),
    }),
  );
  const missing = uses
    .filter(({ key }) => !keys.some(({ id }) => id === key))
    .map(
      ({ key, values: n }): KeyLine => ({
        id: key,
        state: 'missing',
        createdAt: null,
        retiredAt: null,
        values: n,
      }),
    );
  return [...known, ...missing];
}

const minute = (at: string | null) => at?.slice(0, 16).replace('T', ' ');

const formatLine = ({ id, state, createdAt, retiredAt, values }: KeyLine): string =>
  [
    id,
    state.padEnd(7),
    createdAt ? `since ${minute(createdAt)}` : 'not in the key file: restore it from the backup',
    ...(retiredAt ? [`until ${minute(retiredAt)}`] : []),
    secretsText(values),
  ].join('  ');

async function rotate(home: string, config: Config): Promise<number> {
  const { step } = createSteps(process.stdout);
  return withHomeLock(home, () =>
    withStore(home, config, async (store) => {
      const deps = { store, clock: systemClock, file: paths(home).keys };
      await step('new key', async () => {
        const { id, made } = await beginRotation(deps);
        return made ? id : `${id}, of the rotation that was not finished`;
      });
      let unreadable: string[] = [];
      await step('secrets', async (note) => {
        const sealed = await resealAll(deps, note);
        ({ unreadable } = sealed);
        return `${sealed.values} sealed with it`;
      });
      await step('old keys', async () => {
        const dropped = await endRotation(deps);
        const { keys } = readKeyFile(deps.file);
        const kept = keys.length - 1;
        return [
          ...(dropped.length > 0 ? [`${dropped.join(', ')} dropped`] : []),
          ...(kept > 0
            ? [`${kept} kept: a later rotation drops what nothing was sealed with for an hour`]
            : []),
        ].join('; ');
      });
      console.log(`\nThe key file has changed: back it up with the database (${deps.file}).`);
      for (const why of unreadable.slice(0, most)) console.error(`not sealed anew: ${why}`);
      if (unreadable.length > most) console.error(`and ${unreadable.length - most} more`);
      return unreadable.length > 0 ? 1 : 0;
    }),
  );
}

export default defineCommand({
  help: `
Usage: atoll secrets [--json]
       atoll secrets rotate

Secrets in the database (passwords, private keys) are sealed with keys that are in a file of the home, and nowhere else:
back up that file together with the database. Without a verb, lists the keys and how many secrets each has sealed.
  rotate               make a new key and seal all secrets with it, while this Atoll runs; where it was interrupted,
                       go on
  --json               for programs
`,
  options: { json: { type: 'boolean', default: false } },
  maxPositionals: 1,
  async run({ home, values, positionals: [verb] }) {
    const config = readConfig(home);
    if (!existsSync(paths(home).keys) && verb === undefined)
      throw new Error(
        `There is no key file yet, or it is gone: ${commandFor(home, 'up')} makes it, or tells more.`,
      );
    switch (verb) {
      case undefined: {
        const lines = await keyLines(home, config);
        return console.log(
          values.json ? JSON.stringify(lines, undefined, 2) : lines.map(formatLine).join('\n'),
        );
      }
      case 'rotate':
        return rotate(home, config);
      default:
        throw usageError(`secrets: ${verb} is no verb of it; there is rotate`);
    }
  },
});
