import { type Clock, sleep } from '../../base/clock.ts';
import type { Build } from '../../engine/builder/port.ts';
import { type BuiltImage, newestBuild, noteUse, recipeHere, removeUnused } from '../../setup/images/cache.ts';
import type { RecipeName } from '../../setup/images/recipe.ts';
import {
  BuildFailed,
  builtImage,
  clearAbandoned,
  gistOf,
  imageUpdates,
} from '../../setup/images/start-build.ts';
import { errorText, log } from '../log.ts';

/** Builds of images by the recipes of this release, in the cache that all Atolls of the machine share. */
export interface Builds {
  /** What there is; of an image that is there it notes the use. */
  look(name: RecipeName): Promise<Build>;
  /** Begins to build, unless that is under way, or one is there other than the build `instead`. */
  build(name: RecipeName, instead: string | undefined): Promise<Build>;
  /** What the mirror has newer than the build that is there. Throws where there is none, or the mirror cannot be asked. */
  updates(name: RecipeName, signal: AbortSignal): Promise<string[]>;
  /**
   * Removes what killed builds have left, and now and then what no Atoll of the machine has used for a month. When `signal`
   * aborts, builds end and leave nothing; answers after that.
   */
  run(signal: AbortSignal): Promise<void>;
}

export interface BuildsOptions {
  /** The directory of the images. */
  cacheDir: string;
  clock: Clock;
  /** For tests: what builds and looks. */
  start?: typeof builtImage;
  updates?: typeof imageUpdates;
  clear?: typeof clearAbandoned;
  /** For tests: what there is. */
  there?: (name: RecipeName, cacheDir: string) => Promise<BuiltImage | undefined>;
}

const cleanMs = 24 * 3_600_000;

const newest = (name: RecipeName, cacheDir: string) => newestBuild(recipeHere(name), cacheDir);

export function imageBuilds({
  cacheDir,
  clock,
  start = builtImage,
  updates = imageUpdates,
  clear = clearAbandoned,
  there = newest,
}: BuildsOptions): Builds {
  /** By recipe: what is under way, and how the last one that failed did. */
  const underWay = new Map<RecipeName, { step: string; ended: Promise<void> }>();
  const failed = new Map<RecipeName, string>();
  const ending = new AbortController();

  function begin(name: RecipeName, instead: string | undefined): void {
    const doing = { step: 'starting', ended: Promise.resolve() };
    failed.delete(name);
    underWay.set(name, doing);
    const began = performance.now();
    const step = (now: string) => void (doing.step = now);
    doing.ended = start(name, { cacheDir, instead, niced: true, step, signal: ending.signal })
      .then(
        ({ digest }) =>
          log('info', 'an image was built', {
            image: name,
            digest,
            seconds: Math.round((performance.now() - began) / 1000),
          }),
        (error: unknown) => {
          if (ending.signal.aborted) return;
          log('warn', 'an image could not be built', { image: name, error: errorText(error) });
          failed.set(name, whyFailed(error));
        },
      )
      .finally(() => void underWay.delete(name));
  }

  async function look(name: RecipeName): Promise<Build> {
    const doing = underWay.get(name);
    if (doing) return { state: 'building', step: doing.step };
    const message = failed.get(name);
    if (message !== undefined) return { state: 'failed', message };
    const built = await there(name, cacheDir);
    if (!built) return { state: 'absent' };
    await noteUse(built.file, clock.now());
    return { state: 'ready', ...built };
  }

  return {
    look,
    async build(name, instead) {
      if (!underWay.has(name)) {
        const built = await there(name, cacheDir);
        if (!built || built.digest === instead) {
          if (!underWay.has(name)) begin(name, instead);
        } else failed.delete(name);
      }
      return look(name);
    },
    async updates(name, signal) {
      const built = await there(name, cacheDir);
      if (!built) throw new Error(`there is no image ${name}`);
      return updates(name, built, { cacheDir, niced: true, signal });
    },
    async run(signal) {
      await clear(cacheDir);
      while (!signal.aborted) {
        const removed = await removeUnused(cacheDir, clock.now()).catch((error: unknown) => {
          log('warn', 'the cache of images cannot be cleaned now', { error: errorText(error) });
          return [];
        });
        for (const file of removed) log('info', 'nobody has used an image for a month: removed', { file });
        await sleep(clock, cleanMs, signal);
      }
      ending.abort();
      const ended = [...underWay.values()].map((doing) => doing.ended);
      await Promise.all(ended);
      if (ended.length > 0) await clear(cacheDir);
    },
  };
}

/** For a person, with what to do. It is tried again by itself. */
function whyFailed(error: unknown): string {
  const gist = gistOf(errorText(error));
  if (!(error instanceof BuildFailed) || !error.outside)
    return `${gist}. What was printed is in: ./atoll logs --process hostd`;
  return (
    `${gist}. The Debian mirror in this machine's APT sources does not have what it needs, or did not answer: ` +
    'try apt-get update, then ./atoll up --with it'
  );
}
