import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The records on disk, a file each: what a restarted hostd serves before anybody talks to it. */
export interface Files<Id> {
  /** What is saved, unchecked; a file that is not JSON is answered as undefined. */
  load(): Promise<Map<Id, unknown>>;
  /** Returns when the record is on the disk; a crash leaves the old one or the new one, whole. */
  save(id: Id, record: object): Promise<void>;
  /** Deletes a record; it may be there again after a crash. */
  delete(id: Id): Promise<void>;
}

/**
 * Records in `directory`, readable by its owner only (metadata holds user data). `idOf` reads an id in a file's name;
 * undefined: it is none. Not for two savers of one id.
 */
export function recordFiles<Id extends string | number>(
  directory: string,
  idOf: (text: string) => Id | undefined,
): Files<Id> {
  const fileOf = (id: Id) => join(directory, `${id}.json`);
  return {
    async load() {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const records = new Map<Id, unknown>();
      for (const name of await readdir(directory)) {
        const id = name.endsWith('.json') ? idOf(name.slice(0, -'.json'.length)) : undefined;
        if (id !== undefined) records.set(id, parsed(await readFile(join(directory, name), 'utf8')));
        // What a crash left half-written was never acknowledged. Anything else is not ours.
        else if (name.endsWith('.json.new')) await rm(join(directory, name));
      }
      return records;
    },
    async save(id, record) {
      const temporary = `${fileOf(id)}.new`;
      await writeFile(temporary, JSON.stringify(record), { mode: 0o600, flush: true });
      await rename(temporary, fileOf(id));
      await syncToDisk(directory);
    },
    delete: (id) => rm(fileOf(id), { force: true }),
  };
}

/** Brings a file, or the names in a directory, to the disk: a rename is there only when its directory is. */
export async function syncToDisk(path: string): Promise<void> {
  const handle = await open(path);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * For the `catch` of what reads something that may not be there: undefined where it is not. Any error but ENOENT (EIO,
 * ESTALE, ENOTDIR, EACCES) is thrown: it says nothing about what is there, and whoever takes it for "absent" makes,
 * overwrites or forgets something on a guess.
 */
export function unlessAbsent(error: unknown): undefined {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
