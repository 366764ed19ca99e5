/**
 * What takes long to bring for tests on real machines, built by a process of low priority beside the other tests: the
 * images in the cache, and Ansible. `test.ts` forks it; its one message says what could not be had.
 */
import { existsSync, readdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { cacheDirectory, imagesOf, standardCache } from '../setup/images/cache.ts';
import { imageNames, type RecipeName } from '../setup/images/recipe.ts';
import { BuildFailed, builtImage, gistOf } from '../setup/images/start-build.ts';
import { aptInstall, aptUpdate } from '../setup/packages.ts';
import { createSteps } from './steps.ts';

/** Something that the tests would have used and the machine cannot have. */
export interface Lack {
  /** `images` or `ansible`: what the tests ask for by that name, see test/support/obstacles.ts. */
  of: string;
  why: string;
  /** It could be had before, or the fault is ours: a failure. Else its tests are left out. */
  failed: boolean;
}

setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
const { step } = createSteps(process.stdout);

/** Whether this machine has built an image of that name before, be it by an older recipe. */
function wasBuilt(name: RecipeName): boolean {
  return [standardCache, cacheDirectory].some((cache) => {
    const directory = imagesOf(cache);
    return existsSync(directory) && readdirSync(directory).some((file) => file.startsWith(`${name}-`));
  });
}

/** Prints an error, and answers the line of it that tells most: the first that APT marks as one. */
function gist(error: unknown): string {
  const text = String(error);
  console.log(text);
  return gistOf(text);
}

/** Builds an image, unless the cache has it. */
async function lackOfImage(name: RecipeName): Promise<Lack | undefined> {
  const before = wasBuilt(name);
  try {
    await step(`image ${name}`, async (note) => {
      return (await builtImage(name, { cacheDir: imagesOf(cacheDirectory), step: note })).file;
    });
    return undefined;
  } catch (error) {
    // What the mirror does not have, this machine cannot have; all that comes after is our own work.
    const outside = error instanceof BuildFailed && error.outside;
    return { of: 'images', why: `no image ${name}: ${gist(error)}`, failed: before || !outside };
  }
}

/** Installs Ansible (30 MB to download, 300 MB on disk), unless it is there. */
async function lackOfAnsible(): Promise<Lack | undefined> {
  try {
    await step('ansible', async (note) => {
      if (existsSync('/usr/bin/ansible-playbook')) return 'there';
      await aptUpdate();
      await aptInstall(['ansible'], note);
      return 'installed';
    });
    return undefined;
  } catch (error) {
    return { of: 'ansible', why: `Ansible could not be installed: ${gist(error)}`, failed: false };
  }
}

const lacks = [
  ...(await Promise.all([...imageNames, 'edge' as const].map(lackOfImage))),
  await lackOfAnsible(),
];
process.send?.(lacks.filter((each) => each !== undefined));
process.disconnect?.();
