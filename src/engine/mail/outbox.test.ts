import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { outbox } from './outbox.ts';

test('letters are files that nobody else can read; one sent again replaces itself', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'atoll-mail-'));
  try {
    const mail = outbox(join(directory, 'mail'));
    for (const text of ['first', 'second']) await mail.send({ name: 'droplet-1', subject: 'Hello', text });
    const file = join(directory, 'mail', 'droplet-1.txt');
    expect(readFileSync(file, 'utf8')).toBe('Subject: Hello\n\nsecond\n');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, 'mail')).mode & 0o777).toBe(0o700);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
