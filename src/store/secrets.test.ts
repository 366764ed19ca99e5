import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { firstKeys, KeyFileError, type Keys, newKey, readKeyFile, writeKeyFile } from './key-file.ts';
import { openSecrets, partsOf, type Secrets } from './secrets.ts';

const at = new Date('2026-01-01T00:00:00Z');
const context = 'droplets.new_password:510000003';
let directory: string;
let file: string;
let secrets: Secrets;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'at-keys-'));
  file = join(directory, 'keys.json');
  writeKeyFile(file, firstKeys(at));
  secrets = openSecrets(file);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const change = (changes: (keys: Keys) => Partial<Keys>) => {
  const keys = readKeyFile(file);
  writeKeyFile(file, { ...keys, ...changes(keys) });
};
/** Another key becomes the current one; answers its id. */
const addKey = (): string => {
  const key = newKey(at);
  change(({ keys }) => ({ current: key.id, keys: [...keys, key] }));
  return key.id;
};
const keyOf = (sealed: string) => partsOf(sealed)?.key;

describe('a sealed secret', () => {
  it.each(['', 'hunter2', 'ünïcode 🔑\n', 'x'.repeat(100_000)])('is opened again: %#', (plain) => {
    const sealed = secrets.seal(plain, context);
    expect(openSecrets(file).open(sealed, context)).toBe(plain);
    expect(partsOf(sealed)).toMatchObject({ key: readKeyFile(file).current, context });
  });

  it('tells nothing of what it is, nor whether it is the same as another', () => {
    const [one, two] = [secrets.seal('hunter2', context), secrets.seal('hunter2', context)];
    expect(one).not.toBe(two);
    for (const encoding of ['utf8', 'base64url', 'hex'] as const)
      expect(one).not.toContain(Buffer.from('hunter2').toString(encoding));
  });

  it('is refused in another row', () => {
    const sealed = secrets.seal('hunter2', context);
    expect(() => secrets.open(sealed, 'droplets.new_password:510000004')).toThrow(
      'This secret is that of droplets.new_password:510000003, not of droplets.new_password:510000004',
    );
    const moved = sealed.replace(':510000003', ':510000004');
    expect(() => secrets.open(moved, 'droplets.new_password:510000004')).toThrow('was changed');
  });

  it('is refused where any byte of it was changed', () => {
    const sealed = secrets.seal('hunter2', context);
    const refusal = /was changed|not of droplets|is no sealed secret|lacks key/;
    for (let index = 0; index < sealed.length; index++) {
      const other = sealed[index] === 'A' ? 'B' : 'A';
      const changed = sealed.slice(0, index) + other + sealed.slice(index + 1);
      // The last character of a part has bits that mean nothing.
      if (index + 1 === sealed.length || sealed[index + 1] === '$') continue;
      expect(() => secrets.open(changed, context), `at ${index}`).toThrow(refusal);
    }
    expect(() => secrets.open(sealed.slice(0, -1), context)).toThrow(refusal);
    expect(() => secrets.open(`${sealed}AA`, context)).toThrow(refusal);
  });

  it('is refused where it is none, without being quoted', () => {
    expect(() => secrets.open('hunter2', context)).toThrow(
      'What is there for droplets.new_password:510000003 is no sealed secret',
    );
  });

  it('has a context', () => {
    expect(() => secrets.seal('hunter2', '')).toThrow(TypeError);
    expect(() => secrets.seal('hunter2', 'a$b')).toThrow(TypeError);
  });
});

describe('keys', () => {
  it('that are old still open; the newest one seals, from the moment it is in the file', () => {
    const old = secrets.seal('hunter2', context);
    const running = openSecrets(file);
    expect(running.open(old, context)).toBe('hunter2');
    const id = addKey();
    expect(keyOf(running.seal('new', context))).toBe(id);
    expect(running.open(old, context)).toBe('hunter2');
  });

  it('that another process has made open what it has sealed', () => {
    secrets.seal('held', context);
    addKey();
    const others = openSecrets(file).seal('hunter2', context);
    expect(secrets.open(others, context)).toBe('hunter2');
  });

  it('that the file lacks are named, with the remedy', () => {
    const sealed = secrets.seal('hunter2', context);
    writeKeyFile(file, firstKeys(at));
    const id = keyOf(sealed) ?? '';
    expect(() => openSecrets(file).open(sealed, context)).toThrow(
      `${file} lacks key ${id}, which this was sealed with. Restore ${file} from the backup`,
    );
  });

  it('are held while the file is away, and nothing is sealed then', () => {
    const sealed = secrets.seal('hunter2', context);
    rmSync(file);
    expect(secrets.open(sealed, context)).toBe('hunter2');
    expect(() => secrets.seal('hunter2', context)).toThrow(`The key file ${file} is gone. Restore ${file}`);
  });
});

describe('the key file', () => {
  it('out of reach is waited for like one that is gone', () => {
    rmSync(file);
    symlinkSync(file, file);
    expect(() => secrets.seal('hunter2', context)).toThrow(KeyFileError);
    expect(() => secrets.seal('hunter2', context)).toThrow(`The key file ${file} cannot be read (ELOOP)`);
  });

  const keyIn = (text: string) => (JSON.parse(text) as Keys).keys[0]?.key ?? '';

  it('is closed to others, and refused where it is open', () => {
    expect(readKeyFile(file).keys).toHaveLength(1);
    chmodSync(file, 0o640);
    expect(() => readKeyFile(file)).toThrow(
      `Others may read the key file ${file} (mode 640): chmod 600 ${file}`,
    );
  });

  it.each<[string, (text: string) => string]>([
    ['cut off', (text) => text.slice(0, -20)],
    ['empty', () => ''],
    ['no JSON', (text) => text.replace('"key"', 'key')],
    ['with a key cut short', (text) => text.replace(keyIn(text), keyIn(text).slice(0, 40))],
    ['with a key that is no base64', (text) => text.replace(keyIn(text), `*${keyIn(text).slice(1)}`)],
    ['of another version', (text) => text.replace('"version": 1', '"version": 2')],
    ['without its current key', (text) => text.replace(/"current": ".*?"/, '"current": "00000000"')],
  ])('is refused when it is %s, and none of it is shown', (_, damage) => {
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, damage(text));
    let thrown: unknown;
    try {
      openSecrets(file).seal('hunter2', context);
    } catch (error) {
      thrown = error;
    }
    const shown = inspect(thrown, { depth: 10, showHidden: true });
    expect(shown).toContain(`The key file ${file} is damaged`);
    expect(shown).not.toContain(keyIn(text).slice(1, 9));
  });

  it('has keys of 256 bits, each another one', () => {
    addKey();
    const keys = readKeyFile(file).keys.map(({ key }) => Buffer.from(key, 'base64'));
    expect(keys.map(({ length }) => length)).toEqual([32, 32]);
    expect(keys[0]?.equals(keys[1] ?? Buffer.alloc(0))).toBe(false);
  });

  it('left unfinished by a crash is written over', () => {
    writeFileSync(`${file}.new`, '{');
    const id = addKey();
    expect(readKeyFile(file).current).toBe(id);
  });
});
