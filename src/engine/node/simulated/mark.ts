import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../../base/engine-error.ts';
import { type CloudMark, markText, parseMark } from '../../cloud-mark.ts';

/** Where a host keeps whose it is. */
export interface MarkPlace {
  read(): Promise<CloudMark | undefined>;
  write(mark: CloudMark): Promise<void>;
}

/** In memory. */
export function markInMemory(): MarkPlace {
  let mark: CloudMark | undefined;
  return {
    read: async () => mark,
    async write(given) {
      mark = given;
    },
  };
}

/** In a directory that is there, over restarts. */
export function markFile(directory: string): MarkPlace {
  const file = join(directory, 'cloud');
  return {
    async read() {
      try {
        return parseMark(await readFile(file, 'utf8'));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw new EngineError('failed', `${file} cannot be read`, { cause: error });
      }
    },
    async write(mark) {
      await writeFile(`${file}.new`, `${markText(mark)}\n`, { mode: 0o600 });
      await rename(`${file}.new`, file);
    },
  };
}
