/**
 * Secrets at rest: what must be readable again (passwords, private keys, seeds) is sealed with AES-256-GCM before it is
 * written into a column of the domain `sealed`, and opened where it is used. The keys are in a file of the home, see
 * key-file.ts; `./atoll secrets rotate` replaces them (rotation.ts).
 *
 * A sealed text names how to open it: `$s1$KEY$CONTEXT$NONCE$TAG$CIPHERTEXT`, the last three in base64url. All that
 * stands before the nonce is authenticated with it. NIST SP 800-38D, 8.3: with random nonces of 96 bits no key may seal
 * more than 2^32 texts.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { EngineError, type EngineErrorKind } from '../base/engine-error.ts';
import { readKeyFile, restore, stampOf } from './key-file.ts';

export interface Secrets {
  /**
   * Seals a text with the current key.
   * @param context what it is, and of which row: `TABLE.COLUMN:PRIMARY KEY`. It is not secret. Whoever opens it must know
   *   it: what was copied into another row is refused.
   * @throws KeyFileError where the key file is gone or damaged
   */
  seal(plain: string, context: string): string;
  /** @throws UnreadableSecret where the key is unknown, the context another one, or the text was changed */
  open(sealed: string, context: string): string;
}

/**
 * A sealed text cannot be opened. To the loop it is something that is missing until somebody brings it back, or, where
 * it was tampered with, a refusal.
 */
export class UnreadableSecret extends EngineError {
  constructor(kind: EngineErrorKind, message: string) {
    super(kind, message);
    this.name = 'UnreadableSecret';
  }
}

const cipher = 'aes-256-gcm';
const contextPattern = /^[\w.:@/-]{1,200}$/;
const sealedPattern =
  /^(?<head>\$s1\$(?<key>[0-9a-f]{8})\$(?<context>[\w.:@/-]{1,200})\$)(?<nonce>[\w-]{16})\$(?<tag>[\w-]{22})\$(?<text>[\w-]*)$/;

interface Parts {
  head: string;
  key: string;
  context: string;
  nonce: string;
  tag: string;
  text: string;
}

/** What a sealed text says of itself; undefined for what is none. */
export const partsOf = (sealed: string): Parts | undefined =>
  sealedPattern.exec(sealed)?.groups as Parts | undefined;

/** Seals and opens with the keys of this file, which is read when it is first needed, and again once it has changed. */
export function openSecrets(file: string): Secrets {
  let held: { stamp: string; current: string; keys: Map<string, KeyObject> } | undefined;

  /** The keys as the file has them now. */
  function newest() {
    const stamp = stampOf(file);
    if (held?.stamp === stamp) return held;
    const { current, keys } = readKeyFile(file);
    const objects = keys.map(({ id, key }) => [id, createSecretKey(key, 'base64')] as const);
    held = { stamp, current, keys: new Map(objects) };
    return held;
  }

  /** Those that are held suffice, also while the file is away. */
  function keyOf(id: string): KeyObject {
    const key = held?.keys.get(id) ?? newest().keys.get(id);
    if (key) return key;
    throw new UnreadableSecret(
      'missing',
      `${file} lacks key ${id}, which this was sealed with. ${restore(file)}.`,
    );
  }

  return {
    seal(plain, context) {
      if (!contextPattern.test(context)) throw new TypeError(`${context} cannot be the context of a secret`);
      // Looked at each time, which takes microseconds: nothing is sealed with a key that was retired before.
      const { current } = newest();
      const head = `$s1$${current}$${context}$`;
      const nonce = randomBytes(12);
      const sealing = createCipheriv(cipher, keyOf(current), nonce).setAAD(Buffer.from(head));
      const text = Buffer.concat([sealing.update(plain, 'utf8'), sealing.final()]);
      return head + [nonce, sealing.getAuthTag(), text].map((bytes) => bytes.toString('base64url')).join('$');
    },
    open(sealed, context) {
      const parts = partsOf(sealed);
      // What it is instead may be a secret: it is not quoted.
      if (!parts) throw new UnreadableSecret('rejected', `What is there for ${context} is no sealed secret`);
      if (parts.context !== context)
        throw new UnreadableSecret('rejected', `This secret is that of ${parts.context}, not of ${context}`);
      const key = keyOf(parts.key);
      const bytes = (part: string) => Buffer.from(part, 'base64url');
      const opening = createDecipheriv(cipher, key, bytes(parts.nonce), { authTagLength: 16 })
        .setAAD(Buffer.from(parts.head))
        .setAuthTag(bytes(parts.tag));
      try {
        return Buffer.concat([opening.update(bytes(parts.text)), opening.final()]).toString('utf8');
      } catch {
        throw new UnreadableSecret('rejected', `The secret of ${context} was changed, or is damaged`);
      }
    },
  };
}
