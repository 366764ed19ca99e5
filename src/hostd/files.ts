import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The records on disk, a file each: what a restarted hostd serves before anybody talks to it. */
export interface Files {
  /** What is saved, unchecked, by droplet id; a file that is not JSON is answered as undefined. */
  load(): Promise<Map<number, unknown>>;
  /** Returns when the record is on the disk; a crash leaves the old one or the new one, whole. */
  save(id: number, record: object): Promise<void>;
  /** Deletes a record; it may be there again after a crash. */
  delete(id: number): Promise<void>;
}

/** Records in `directory`, readable by its owner only (metadata holds user data). Not for two savers of one id. */
export function recordFiles(directory: string): Files {
  const fileOf = (id: number) => join(directory, `${id}.json`);
  return {
    async load() {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const records = new Map<number, unknown>();
      for (const name of await readdir(directory)) {
        const id = /^(\d+)\.json$/.exec(name)?.[1];
        // What a crash left half-written was never acknowledged.
        if (id === undefined) await rm(join(directory, name), { recursive: true });
        else records.set(Number(id), parsed(await readFile(join(directory, name), 'utf8')));
      }
      return records;
    },
    async save(id, record) {
      const temporary = `${fileOf(id)}.new`;
      await writeFile(temporary, JSON.stringify(record), { mode: 0o600, flush: true });
      await rename(temporary, fileOf(id));
      // The rename is on the disk only when its directory is.
      const handle = await open(directory);
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
    delete: (id) => rm(fileOf(id), { force: true }),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
