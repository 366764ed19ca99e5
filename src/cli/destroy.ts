import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, paths, readConfig } from '../config.ts';
import { run } from '../setup/command.ts';
import { cacheDirectory, imagesOf } from '../setup/images/cache.ts';
import { restoreSysctls } from '../setup/kernel.ts';
import { stopLxcfs } from '../setup/lxcfs.ts';
import { mountsBelow } from '../setup/mounts-below.ts';
import { removePackageSource } from '../setup/packages.ts';
import { stopPostgres } from '../setup/postgres.ts';
import { removeEngine } from '../setup/remove.ts';
import { removeUser } from '../setup/user.ts';
import { defineCommand } from './command.ts';
import { hostdRemoveCommand, stopControlPlane, stopHostd } from './control-plane.ts';
import { withHomeLock } from './home-lock.ts';
import { knownHomes, readShared, registryDirectory, unregisterHome } from './machine.ts';
import { createSteps, type Note, type Steps } from './steps.ts';
import { commandFor } from './up-options.ts';

/** All that Atoll puts into a home; the configuration goes last, so that an interrupted run can be repeated. */
const homeEntries = [
  'adding',
  'app',
  'hostd',
  'imports',
  'conversions',
  'incus',
  'log',
  'mail',
  'operator',
  'pg',
  'run',
  'secrets',
  'simulated',
  'tls',
  'try',
  'token',
  'token.new',
  'config.json.new',
  'config.json',
];

/** Deletes what is Atoll's in a home, and the home itself if nothing else is in it. */
function removeHome(home: string): string {
  // Deleting would reach into it.
  const [mounted] = mountsBelow(home);
  if (mounted) throw new Error(`${mounted} is still mounted: umount it, then run destroy again`);
  for (const entry of homeEntries) rmSync(join(home, entry), { recursive: true, force: true });
  const left = readdirSync(home);
  if (left.length > 0) return `kept, for it holds something else: ${left.join(', ')}`;
  rmdirSync(home);
  return 'gone';
}

/** Undoes what Atolls did to the machine as a whole. Only for the last one. */
async function removeShared({ step }: Steps, keepCache: boolean): Promise<void> {
  const { sysctls, lxcfsPid } = readShared();
  await step('machine settings', async (note) => {
    restoreSysctls(sysctls, note);
    if (lxcfsPid !== undefined) await stopLxcfs(lxcfsPid, note);
    await removePackageSource(note);
    return 'restored';
  });
  if (!keepCache) {
    await step('image cache', () => {
      rmSync(imagesOf(cacheDirectory), { recursive: true, force: true });
      if (existsSync(cacheDirectory) && readdirSync(cacheDirectory).length === 0) rmdirSync(cacheDirectory);
    });
  }
  await step('user', removeUser);
  rmSync(registryDirectory, { recursive: true, force: true });
}

/** The packet filter, the droplets, and what they were on. */
async function removeReal(home: string, { id }: Config, { step }: Steps): Promise<void> {
  await step('hostd', async () => {
    await stopHostd(home);
    const [file = '', ...args] = hostdRemoveCommand(home);
    await run(file, args, { timeoutMs: 60_000 });
    return 'stopped, packet filter gone';
  });
  await step('Incus', async (note: Note) => {
    await removeEngine({ home, id }, note);
    return 'droplets, networks, images and pool gone';
  });
}

/** What would go, for a person to read before they say --yes. */
function describe(home: string, config: Config, last: boolean, keepCache: boolean): string {
  const lines = [`${home}: the configuration, tokens, logs`];
  lines.push(
    config.databaseUrl ? 'not the database of the configured URL: drop that yourself' : 'the database',
  );
  if (config.mode === 'real')
    lines.push('every droplet with its data, the networks, images, storage pool, packet filter');
  if (last) {
    const cache = keepCache ? '' : `, the image cache ${imagesOf(cacheDirectory)}`;
    lines.push(
      `as the last Atoll of this machine: the user atoll, changed sysctls, our lxcfs, our APT source${cache}`,
    );
  }
  return lines.map((line) => `  - ${line}`).join('\n');
}

export default defineCommand({
  help: `
Usage: atoll destroy --yes [--keep-cache]

Removes this Atoll and all that it ever made on this machine. Debian packages stay installed.
  --yes                do it; without, only tell what would go
  --keep-cache         keep the images that were built (for the next up)
`,
  options: { yes: { type: 'boolean' }, 'keep-cache': { type: 'boolean', default: false } },
  async run({ home, values }) {
    if (!existsSync(paths(home).config)) {
      console.log(`There is no Atoll at ${home}; nothing to destroy.`);
      return 0;
    }
    const config = readConfig(home);
    const root = process.getuid?.() === 0;
    const last = () => root && [...knownHomes().values()].every((other) => other === home);
    // A simulated Atoll never had a use for the images.
    const keepCache = values['keep-cache'] || config.mode === 'simulated';
    if (!values.yes) {
      console.log(
        `This would remove:\n${describe(home, config, last(), keepCache)}\n\nDo it: ${commandFor(home, 'destroy')} --yes`,
      );
      return 1;
    }
    if (config.mode === 'real' && !root)
      throw new Error('Destroying real droplets needs root: run this by sudo.');
    const steps = createSteps(process.stdout);
    await withHomeLock(home, async () => {
      await steps.step('control plane', async () =>
        (await stopControlPlane(home)) ? 'stopped' : 'did not run',
      );
      if (config.mode === 'real') await removeReal(home, config, steps);
      await steps.step('PostgreSQL', async () => ((await stopPostgres(home)) ? 'stopped' : 'did not run'));
      const shared = last();
      if (shared) await removeShared(steps, keepCache);
      else if (root) unregisterHome(config.id);
      await steps.step('home', () => removeHome(home));
    });
    return 0;
  },
});
