import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, paths, poolDirectory, publicBridge } from '../config.ts';
import { ensureImage } from '../setup/images/ensure.ts';
import { imageNames } from '../setup/images/recipe.ts';
import {
  ensurePool,
  ensurePoolLimits,
  ensurePublicNetwork,
  removeStrayBridges,
} from '../setup/incus-setup.ts';
import { startIncusd } from '../setup/incusd.ts';
import { ensureSubids, ensureSysctls } from '../setup/kernel.ts';
import { ensureLxcfs } from '../setup/lxcfs.ts';
import { ensurePackages } from '../setup/packages.ts';
import { primeMounts } from '../setup/prime-mounts.ts';
import { logFile } from '../setup/processes.ts';
import type { User } from '../setup/user.ts';
import { recordShared, registryDirectory } from './machine.ts';
import { type Steps, together } from './steps.ts';

/** What the machine as a whole needs for real droplets. */
export async function bringMachine({ step }: Steps): Promise<void> {
  await step('packages', async (note) => {
    const { changed, detail } = await ensurePackages(note);
    return changed ? detail : 'all there';
  });
  await step('kernel settings', (note) => {
    const sysctls = ensureSysctls(note);
    if (Object.keys(sysctls).length > 0) recordShared({ sysctls });
    const subids = ensureSubids(note);
    return Object.keys(sysctls).length > 0 || subids.changed ? 'raised' : 'as needed';
  });
  await step('lxcfs', async (note) => {
    mkdirSync(registryDirectory, { recursive: true });
    const { pid } = await ensureLxcfs(join(registryDirectory, 'lxcfs.log'), note);
    if (pid !== undefined) recordShared({ lxcfsPid: pid });
    return pid === undefined ? 'runs' : 'started';
  });
}

/** Until this one is there, `up` does not end: droplets can be had of it at once. The others follow in the background. */
const firstImage = imageNames[0];

export interface Engine {
  /** That Incus was started now. */
  isNew: boolean;
  /** The first image, and which build of it is there. */
  image: { name: string; digest: string };
}

/** Incus with its pool, the public network and the first image. */
export async function bringEngine(
  home: string,
  config: Config,
  user: User,
  { step }: Steps,
): Promise<Engine> {
  const { incus, incusSocket: socket } = paths(home);
  let isNew = false;
  await step('Incus', async (note) => {
    const { changed } = await startIncusd(
      { dir: incus, group: user.name, logFile: logFile(home, 'incusd') },
      note,
    );
    for (const bridge of await removeStrayBridges({ socket, id: config.id }))
      note(`${bridge} was left over: removed`);
    isNew = changed;
    return changed ? 'started' : 'runs';
  });
  const { ipv4, ipv6 } = config.publicNetwork;
  const name = publicBridge(config.id);
  await together([
    step('public network', async (note) => {
      await ensurePublicNetwork({ socket, name, ipv4, ipv6 }, note);
      return `${ipv4}, ${ipv6}`;
    }),
    step('storage pool', async (note) => {
      const sizeGib = config.poolGib ?? 0;
      await ensurePool({ socket, sizeGib }, note);
      const counted = await ensurePoolLimits({ socket, directory: poolDirectory(home) }, note);
      return `at most ${sizeGib} GiB, ${counted}`;
    }),
  ]);
  let digest = '';
  await step(`image ${firstImage}`, async (note) => {
    const image = await ensureImage({ socket, name: firstImage }, note);
    ({ digest } = image);
    return image.changed ? 'ready' : 'there';
  });
  return { isNew, image: { name: firstImage, digest } };
}

/** Makes an Incus that was started anew ready for volumes. Where that fails, all else goes on. */
export async function bringMounts(home: string, { id }: Config, { step }: Steps): Promise<void> {
  const { incus, incusSocket: socket } = paths(home);
  await step('mounts of volumes', async () => {
    try {
      // Below Incus' directory, so that it goes with that wherever this is interrupted.
      await primeMounts({ socket, id, directory: join(incus, 'prime') });
      return 'work';
    } catch (error) {
      return `do not work: ${error instanceof Error ? error.message : String(error)}`;
    }
  });
}
