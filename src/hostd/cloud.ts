import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CloudMark, markText, parseMark } from '../engine/cloud-mark.ts';
import { syncToDisk, unlessAbsent } from './files.ts';

/** Whose this host is: a file beside the saved entries, so that it goes where they go. */
export interface CloudFile {
  read(): Promise<CloudMark | undefined>;
  write(mark: CloudMark): Promise<void>;
}

export function cloudFile(state: string): CloudFile {
  const file = join(state, 'cloud');
  return {
    // An error must not pass for a host that is nobody's.
    read: () => readFile(file, 'utf8').then(parseMark, unlessAbsent),
    async write(mark) {
      await mkdir(state, { recursive: true, mode: 0o700 });
      await writeFile(`${file}.new`, `${markText(mark)}\n`, { mode: 0o600, flush: true });
      await rename(`${file}.new`, file);
      await syncToDisk(state);
    },
  };
}
