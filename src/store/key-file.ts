/**
 * The key file of a home, `<home>/secrets/keys.json`: the keys that secrets in the database are sealed with, see
 * secrets.ts. Whoever has it and the database can read them; the database alone tells nothing. Nothing of a key is ever
 * part of an error.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { EngineError } from '../base/engine-error.ts';

const keySchema = z.object({
  /** Eight hex digits: part of each text that was sealed with it. */
  id: z.string().regex(/^[0-9a-f]{8}$/),
  createdAt: z.iso.datetime(),
  /** Since when another one is the current key. */
  retiredAt: z.iso.datetime().optional(),
  /** 256 bits, base64. */
  key: z.base64().length(44),
});

const keysSchema = z
  .object({
    version: z.literal(1),
    /** The id of the key that seals. */
    current: z.string(),
    /** A rotation has begun and is to be finished: values may be sealed with older keys. */
    rotating: z.boolean().optional(),
    keys: z.array(keySchema).min(1),
  })
  .refine(({ current, keys }) => keys.some(({ id }) => id === current), 'the current key is not in it')
  .refine(({ keys }) => new Set(keys.map(({ id }) => id)).size === keys.length, 'two keys have one id');

export type Key = z.infer<typeof keySchema>;
export type Keys = z.infer<typeof keysSchema>;

/**
 * The key file is absent, damaged or open to others; the message says what to do. To the loop it is an engine that does
 * not answer: whatever needs it waits until somebody has brought it back.
 */
export class KeyFileError extends EngineError {
  constructor(message: string) {
    super('unavailable', message);
    this.name = 'KeyFileError';
  }
}

/** What to do about a key file that is not what it was. */
export const restore = (file: string): string =>
  `Restore ${file} from the backup that goes with this database (docs/secrets.md)`;

/** Changes whenever the file is replaced by another one. @throws KeyFileError where it is absent, or out of reach */
export function stampOf(file: string): string {
  try {
    const { ino, mtimeNs, size } = statSync(file, { bigint: true });
    return `${ino} ${mtimeNs} ${size}`;
  } catch (error) {
    throw unreadable(file, error as NodeJS.ErrnoException);
  }
}

const unreadable = (file: string, { code }: NodeJS.ErrnoException): KeyFileError =>
  code === 'ENOENT'
    ? new KeyFileError(`The key file ${file} is gone. ${restore(file)}.`)
    : new KeyFileError(
        `The key file ${file} cannot be read (${code}): it is for root and the control plane's user, to whom ./atoll up gives it.`,
      );

/** Reads and checks the key file. @throws KeyFileError with the remedy */
export function readKeyFile(file: string): Keys {
  let text: string;
  try {
    const { mode } = statSync(file);
    if (mode & 0o077)
      throw new KeyFileError(
        `Others may read the key file ${file} (mode ${(mode & 0o777).toString(8)}): chmod 600 ${file}. Where somebody may have done so, then: ./atoll secrets rotate`,
      );
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof KeyFileError) throw error;
    throw unreadable(file, error as NodeJS.ErrnoException);
  }
  const parsed = keysSchema.safeParse(parse(text));
  if (parsed.success) return parsed.data;
  // Of zod's issues only where they are: what is there may be a key.
  const [issue] = parsed.error.issues;
  const place = issue?.path.join('.');
  throw new KeyFileError(
    `The key file ${file} is damaged${place ? ` (at ${place})` : ''}. ${restore(file)}.`,
  );
}

/** Undefined for what is no JSON: the error of JSON.parse quotes the text. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Replaces the key file: whoever reads it, also after a crash of the machine, finds the old one or the new one, whole.
 * @param owner whose it is to be; absent: whose it was, or this process'
 */
export function writeKeyFile(file: string, keys: Keys, owner?: { uid: number; gid: number }): void {
  const unfinished = `${file}.new`;
  rmSync(unfinished, { force: true });
  const descriptor = openSync(unfinished, 'wx', 0o600);
  try {
    // A umask may have taken more than it should.
    fchmodSync(descriptor, 0o600);
    const { uid, gid } = owner ?? statSync(file, { throwIfNoEntry: false }) ?? fstatSync(descriptor);
    fchownSync(descriptor, uid, gid);
    writeFileSync(descriptor, `${JSON.stringify(keysSchema.parse(keys), undefined, 2)}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(unfinished, file);
  syncDirectory(dirname(file));
}

/** A name in a directory survives a crash of the machine only once the directory was written. */
export function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
}

export const newKey = (at: Date): Key => ({
  id: randomBytes(4).toString('hex'),
  createdAt: at.toISOString(),
  key: randomBytes(32).toString('base64'),
});

/** The keys of a home that has none yet. */
export function firstKeys(at: Date): Keys {
  const key = newKey(at);
  return { version: 1, current: key.id, keys: [key] };
}
