/** How root gets into a droplet that has no SSH keys: by a password, which its owner is mailed, as on DigitalOcean. */
import { randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import type { Secrets } from '../../store/secrets.ts';

/** A password that a first boot sets. */
export interface RootAccess {
  /** The row keeps it sealed, as `new_password`, until the letter is sent. */
  password: string;
  /** For /etc/shadow; see `vendorData`. */
  root_password_hash: string;
}

const contextOf = (dropletId: number): string => `droplets.new_password:${dropletId}`;

/** What a droplet's row keeps of a password that is to be mailed. */
export const sealPassword = (secrets: Secrets, dropletId: number, password: string): string =>
  secrets.seal(password, contextOf(dropletId));

/** The password that a droplet's row keeps. @throws UnreadableSecret */
export const openPassword = (secrets: Secrets, dropletId: number, sealed: string): string =>
  secrets.open(sealed, contextOf(dropletId));

/** 96 random bits: nobody finds it by trying. 16 characters of A-Z, a-z, 0-9, - and _. */
export const newPassword = (): string => randomBytes(12).toString('base64url');

export async function newRootAccess(): Promise<RootAccess> {
  const password = newPassword();
  return {
    password,
    root_password_hash: await crypt(password, randomBytes(12).toString('hex')),
  };
}

const itoa64 = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Little-endian groups of 6 bits, the last characters as many as the bytes need: the encoding of crypt(5). */
function encode64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const group = bytes.subarray(at, at + 3);
    let value = group.reduce((sum, byte, index) => sum | (byte << (8 * index)), 0);
    for (let left = Math.ceil((group.length * 8) / 6); left > 0; left--, value >>>= 6)
      text += itoa64[value & 63];
  }
  return text;
}

/** A number of 30 bits, in the same encoding. */
const encode30 = (value: number): string =>
  Array.from({ length: 5 }, (_, index) => itoa64[(value >>> (6 * index)) & 63]).join('');

/**
 * The hash of a password for /etc/shadow, in the format of crypt(5) that Node can compute without a loop of its own:
 * `$7$`, scrypt, with 2^`logN` rounds. The fewest that are sensible suffice for a password that cannot be guessed; `salt`
 * is text of `[./0-9A-Za-z]`.
 */
export async function crypt(password: string, salt: string, logN = 7): Promise<string> {
  const [r, p] = [8, 1];
  const N = 2 ** logN;
  const derive = promisify<string, string, number, object, Buffer>(scrypt);
  const key = await derive(password, salt, 32, { N, r, p, maxmem: 256 * N * r });
  return `$7$${itoa64[logN]}${encode30(r)}${encode30(p)}${salt}$${encode64(key)}`;
}
