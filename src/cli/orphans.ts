import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { type Config, paths, readConfig } from '../config.ts';
import { listQuarantined, requestRemoval } from '../control/quarantine.ts';
import { openEngines } from '../engines.ts';
import {
  everythingHeld,
  findOrphans,
  type Orphan,
  removeOrphans,
  selectOrphans,
  whyNotTrusted,
} from '../orphans.ts';
import { NewerDatabase } from '../store/migrate.ts';
import { openStore } from '../store/open.ts';
import { openSecrets } from '../store/secrets.ts';
import { defineCommand, usageError } from './command.ts';
import { databaseAddress, withStore } from './database.ts';
import { table } from './table.ts';
import { commandFor } from './up-options.ts';

const mib = 2 ** 20;

function size(bytes: number | undefined): string {
  if (bytes === undefined) return '-';
  return bytes < 1024 * mib ? `${Math.ceil(bytes / mib)} MiB` : `${(bytes / 1024 / mib).toFixed(1)} GiB`;
}

function age({ createdAt, foundAt }: Orphan, now: Date): string {
  const since = createdAt ?? foundAt;
  if (!since) return '-';
  const minutes = Math.max(0, Math.floor((now.getTime() - since.getTime()) / 60_000));
  const text =
    minutes < 120
      ? `${minutes} min`
      : minutes < 2880
        ? `${Math.floor(minutes / 60)} h`
        : `${Math.floor(minutes / 1440)} d`;
  return createdAt ? text : `found ${text} ago`;
}

/** A table for a person. */
export function formatOrphans(orphans: readonly Orphan[], now: Date): string {
  return table([
    ['KIND', 'NAME', 'URN', 'SIZE', 'AGE'],
    ...orphans.map((orphan) => [orphan.kind, orphan.name, orphan.urn, size(orphan.bytes), age(orphan, now)]),
  ]);
}

export default defineCommand({
  help: `
Usage: atoll orphans [--json]
       atoll orphans --remove NAME... [--yes]

Lists what the engines hold and the database does not know: it is in quarantine, runs on, and is removed by nothing but
this command. Works while the control plane is stopped.
  --remove             remove those of these names; a machine's host entry and addresses go with it
  --yes                do it; without, only tell what would go
  --json               for programs
`,
  options: {
    json: { type: 'boolean', default: false },
    remove: { type: 'boolean', default: false },
    yes: { type: 'boolean', default: false },
  },
  maxPositionals: 10_000,
  async run({ home, values, positionals }) {
    if (values.remove !== positionals.length > 0)
      throw usageError(
        'orphans: --remove and names belong together, as in: atoll orphans --remove droplet-5-3fa21b07',
      );
    const source = await openSource(home);
    try {
      const { orphans, untrusted } = source;
      if (!values.remove) {
        if (values.json) console.log(JSON.stringify({ untrusted: untrusted ?? null, orphans }, undefined, 2));
        else list(home, orphans, untrusted);
        return 0;
      }
      if (untrusted)
        throw new Error(
          `Nothing is removed: ${untrusted}, so that nobody can say what is an orphan and what is not.`,
        );
      const { selected, missing } = selectOrphans(orphans, positionals);
      if (missing.length > 0)
        throw new Error(
          `There is no orphan ${missing.join(', ')}. ${commandFor(home, 'orphans')} lists them.`,
        );
      if (!values.yes) {
        console.log(
          `This would be removed for good, with all data in it:\n\n${formatOrphans(selected, new Date())}\n`,
        );
        console.log(`Do it: ${commandFor(home, 'orphans')} --remove ${positionals.join(' ')} --yes`);
        return 1;
      }
      return (await source.remove(selected)) ? 0 : 1;
    } finally {
      await source.close();
    }
  },
});

function list(home: string, orphans: readonly Orphan[], untrusted: string | undefined): void {
  if (untrusted) console.log(`All that the engines hold, orphan or not: ${untrusted}.\n`);
  if (orphans.length === 0) console.log(untrusted ? 'They hold nothing.' : 'There are no orphans.');
  else console.log(formatOrphans(orphans, new Date()));
  if (orphans.length > 0 && !untrusted)
    console.log(`\nRemove what you do not need: ${commandFor(home, 'orphans')} --remove NAME`);
}

interface Source {
  orphans: Orphan[];
  /** Why nothing may be removed. */
  untrusted: string | undefined;
  /** Answers whether all went well. */
  remove(selected: Orphan[]): Promise<boolean>;
  close(): Promise<void>;
}

async function openSource(home: string): Promise<Source> {
  const config = readConfig(home);
  return config.mode === 'simulated' ? simulatedSource(home) : realSource(home);
}

/** The simulated world lives in the control plane's process: that is asked, by the database. */
async function simulatedSource(home: string): Promise<Source> {
  const config = readConfig(home);
  return {
    orphans: await withStore(home, config, ({ db }) => listQuarantined(db)),
    untrusted: undefined,
    async remove(selected) {
      await withStore(home, config, (store) => requestRemoval(store.db, selected));
      console.log('The control plane removes them at its next sweep, within a minute.');
      return true;
    },
    close: async () => {},
  };
}

/** What this version takes for an orphan, a newer one may know. A database that does not answer is told of later. */
async function refuseNewerDatabase(home: string, config: Config): Promise<void> {
  await withStore(home, config, async () => {}).catch((error: unknown) => {
    if (error instanceof NewerDatabase) throw error;
  });
}

async function realSource(home: string): Promise<Source> {
  const config = readConfig(home);
  await refuseNewerDatabase(home, config);
  const store = openStore(databaseAddress(home, config), { name: 'atoll-orphans', connections: 2 });
  const engines = await openEngines(home, config, systemClock);
  const secrets = openSecrets(paths(home).keys);
  const deps = { ...engines, store, secrets, clock: systemClock, log: silentLog };
  const close = async () => {
    await engines.close();
    await store.close();
  };
  try {
    const untrusted = await whyNotTrusted(deps);
    return {
      orphans: await (untrusted ? everythingHeld(deps) : findOrphans(deps)),
      untrusted,
      async remove(selected) {
        const failed = await removeOrphans(deps, selected, ({ kind, name }) =>
          console.log(`removed ${kind} ${name}`),
        );
        for (const { orphan, why } of failed)
          console.error(`not removed: ${orphan.kind} ${orphan.name}: ${why}`);
        return failed.length === 0;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
