import { createHash } from 'node:crypto';

/** The key types OpenSSH takes in an authorized_keys file, and how many fields each has after its type. */
const fieldCounts: Record<string, number> = {
  'ssh-ed25519': 1,
  'ssh-rsa': 2,
  'ecdsa-sha2-nistp256': 2,
  'ecdsa-sha2-nistp384': 2,
  'ecdsa-sha2-nistp521': 2,
  'sk-ssh-ed25519@openssh.com': 2,
  'sk-ecdsa-sha2-nistp256@openssh.com': 3,
};

export interface PublicKey {
  /** `type base64 [comment]`, fit for a line of authorized_keys. */
  line: string;
  /** MD5 of the key in pairs of hex digits, `3b:16:e4:…`: how DigitalOcean names a key besides its id. */
  fingerprint: string;
}

/**
 * Reads an OpenSSH public key as `ssh-keygen` writes it. Undefined for all else: private keys, key types OpenSSH does
 * not know, options before the type, more than one line, and keys whose bytes are not what the type says.
 */
export function parsePublicKey(text: string): PublicKey | undefined {
  const line = text.trim();
  // Control characters could begin another line of authorized_keys.
  if (/\p{Cc}/u.test(line.replaceAll('\t', ' '))) return undefined;
  const [type = '', base64 = ''] = line.split(/[ \t]+/);
  const count = Object.hasOwn(fieldCounts, type) ? fieldCounts[type] : undefined;
  const blob = Buffer.from(base64, 'base64');
  if (count === undefined || blob.toString('base64') !== base64) return undefined;
  const [inner, ...fields] = fieldsOf(blob) ?? [];
  if (inner?.toString('latin1') !== type || fields.length !== count) return undefined;
  if (type.includes('ed25519') && fields[0]?.length !== 32) return undefined;
  const md5 = createHash('md5').update(blob).digest('hex');
  return { line, fingerprint: md5.match(/../g)?.join(':') ?? '' };
}

/** The length-prefixed fields of an SSH wire format; undefined when a length does not fit. */
function fieldsOf(blob: Buffer): Buffer[] | undefined {
  const fields: Buffer[] = [];
  let offset = 0;
  while (offset < blob.length) {
    if (offset + 4 > blob.length) return undefined;
    const end = offset + 4 + blob.readUInt32BE(offset);
    if (end > blob.length) return undefined;
    fields.push(blob.subarray(offset + 4, end));
    offset = end;
  }
  return fields;
}
