/** The directory of the volumes: whether it is the right one, what is in it, and how a file comes into it. */
import { randomUUID } from 'node:crypto';
import * as nodeFs from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncToDisk, unlessAbsent } from '../files.ts';
import { keyedMutex } from '../mutex.ts';
import { isUuid } from '../validate.ts';

/** The directory is not the one in which the volumes are: mostly, its disk is not mounted. To be tried again. */
export class Away extends Error {
  override readonly name = 'Away';
}

/** The functions of the file system that are used: tests let them fail. */
export type VolumeFs = Pick<
  typeof nodeFs,
  'link' | 'mkdir' | 'readdir' | 'readFile' | 'rm' | 'stat' | 'writeFile'
>;

/** Written into the directory, with an id that hostd also keeps elsewhere. */
const markerName = '.atoll-volumes';

export interface VolumeDirectory {
  /** Throws Away unless the directory is the one that it has always been. The first time ever, it is made. */
  check(): Promise<void>;
  /** In bytes; undefined: there is no such file. No other error of the file system means that. */
  sizeOf(file: string): Promise<number | undefined>;
  /** The ids whose images are in the directory, or in its snapshots. */
  ids(of: 'volumes' | 'snapshots'): Promise<string[]>;
  /** Lets `fill` make a file, whose name is there only once it is whole. One that is there is never replaced. */
  make(file: string, fill: (temporary: string) => Promise<void>): Promise<void>;
}

/**
 * `directory` has `<uuid>.img`, `snapshots/<uuid>.img`, and `new/` for what is being made. `known`: the file in which the
 * directory's id is kept, on hostd's own disk.
 */
export function volumeDirectory(
  { directory, known }: { directory: string; known: string },
  fs: VolumeFs = nodeFs,
): VolumeDirectory {
  const marker = join(directory, markerName);
  const unfinished = join(directory, 'new');
  const snapshots = join(directory, 'snapshots');
  const exclusive = keyedMutex();
  /** The id of the directory that was there before, once it is read. */
  let expected: string | undefined;
  /** Whether what a killed hostd has left was cleared away. */
  let cleared = false;

  /** What is in a file; undefined where it is not there, or a crash came before anything was in it. */
  const textOf = (file: string) =>
    fs.readFile(file, 'utf8').then((text) => text.trim() || undefined, unlessAbsent);

  async function save(file: string, id: string): Promise<void> {
    await fs.mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await fs.writeFile(file, `${id}\n`, { mode: 0o600, flush: true });
    await syncToDisk(dirname(file));
  }

  async function check(): Promise<void> {
    const found = await textOf(marker);
    expected ??= await textOf(known);
    if (expected === undefined) {
      const id = found ?? randomUUID();
      // In this order: a crash in between leaves a marker, which is then taken for the right one.
      if (found === undefined) await save(marker, id);
      await save(known, id);
      expected = id;
    } else if (found !== expected) {
      cleared = false;
      throw new Away(
        `${directory} is not the directory that the volumes are in (${marker} ` +
          `${found === undefined ? 'is missing' : 'has another id'}): mount its disk. If it is the right one, delete ${known}`,
      );
    }
    if (cleared) return;
    await fs.rm(unfinished, { recursive: true, force: true });
    for (const each of [unfinished, snapshots]) await fs.mkdir(each, { recursive: true, mode: 0o700 });
    cleared = true;
  }

  const exclusiveCheck = () => exclusive('check', check);

  return {
    check: exclusiveCheck,
    sizeOf: (file) => fs.stat(file).then(({ size }) => size, unlessAbsent),
    async ids(of) {
      const names = await fs.readdir(of === 'volumes' ? directory : snapshots);
      return names.flatMap((name) => /^(.*)\.img$/.exec(name)?.[1] ?? []).filter(isUuid);
    },
    async make(file, fill) {
      const temporary = join(unfinished, randomUUID());
      try {
        await fill(temporary);
        await syncToDisk(temporary);
        // It took its time: the disk may have gone meanwhile.
        await exclusiveCheck();
        // A link, as a rename would replace what is there.
        await fs.link(temporary, file);
      } finally {
        await fs.rm(temporary, { force: true });
      }
      await syncToDisk(dirname(file));
    },
  };
}
