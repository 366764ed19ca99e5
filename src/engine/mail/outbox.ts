import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '../../base/engine-error.ts';
import type { Mail } from './port.ts';

/**
 * Letters as files that only the control plane's user and root can read: there is no mail server that every host
 * has. The operator reads them with `sudo cat <home>/mail/*`.
 */
export function outbox(directory: string): Mail {
  return {
    async send({ name, subject, text }) {
      const file = join(directory, `${name}.txt`);
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        await writeFile(`${file}.new`, `Subject: ${subject}\n\n${text}\n`, { mode: 0o600 });
        await rename(`${file}.new`, file);
      } catch (error) {
        throw new EngineError('failed', `mail: ${(error as Error).message}`, { cause: error });
      }
    },
  };
}
