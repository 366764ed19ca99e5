/** A key file of its own for whatever seals in tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstKeys, writeKeyFile } from '../../src/store/key-file.ts';
import { openSecrets, type Secrets } from '../../src/store/secrets.ts';

export interface TestSecrets {
  /** The key file. */
  file: string;
  secrets: Secrets;
  remove(): void;
}

export function testSecrets(): TestSecrets {
  const directory = mkdtempSync(join(tmpdir(), 'at-keys-'));
  const file = join(directory, 'keys.json');
  writeKeyFile(file, firstKeys(new Date()));
  return {
    file,
    secrets: openSecrets(file),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Nothing is sealed with these: for what is only looked at. */
export const noSecrets: Secrets = openSecrets('/nonexistent/keys.json');
