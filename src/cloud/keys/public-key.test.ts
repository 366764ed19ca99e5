import { describe, expect, test } from 'vitest';
import { parsePublicKey } from './public-key.ts';

const ed25519 = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINDcFFdQoJf7shcgtF4GfIW8PMuOpw5WjhceEuh/Wv4d';
const p256 =
  'ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBNeneyqRgDdIzevd6+W6h2tfXojZ/icdcarEP/fDbMJp49jGOharPQAmQrZztA9VMIteY16WdwxVcn3k8DrcvQI=';

/** A key in the wire format. */
const wire = (type: string, ...fields: Buffer[]) => {
  const parts = [Buffer.from(type), ...fields].flatMap((field) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(field.length);
    return [length, field];
  });
  return Buffer.concat(parts).toString('base64');
};

describe('a public key', () => {
  test.each([
    [ed25519, '95:b6:23:2e:e2:90:f4:5d:43:68:82:84:56:5c:96:66'],
    [p256, 'c1:02:59:49:29:a7:12:71:34:3e:c5:c4:c1:27:c5:23'],
  ])('has the fingerprint that `ssh-keygen -l -E md5` prints', (line, fingerprint) => {
    expect(parsePublicKey(line)).toEqual({ line, fingerprint });
  });

  test('keeps its comment and loses the space around it', () => {
    expect(parsePublicKey(`  ${ed25519} me@host, my laptop\r\n`)?.line).toBe(`${ed25519} me@host, my laptop`);
  });

  test('may be of a security key', () => {
    const fields = [Buffer.alloc(32), Buffer.from('ssh:')];
    const type = 'sk-ssh-ed25519@openssh.com';
    expect(parsePublicKey(`${type} ${wire(type, ...fields)}`)).toBeDefined();
  });

  test.each([
    ['nothing', ''],
    [
      'a private key',
      '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----',
    ],
    ['no key after the type', 'ssh-ed25519'],
    ['options before the type', `command="true" ${ed25519}`],
    ['a second line', `${ed25519} a\n${ed25519} b`],
    ['a control character', `${ed25519} a\u0000b`],
    ['an unknown type', `ssh-dss ${wire('ssh-dss', Buffer.alloc(20))}`],
    ['another type within', `ssh-rsa ${ed25519.split(' ')[1]}`],
    ['a key cut short', ed25519.slice(0, -8)],
    ['a key of the wrong length', `ssh-ed25519 ${wire('ssh-ed25519', Buffer.alloc(31))}`],
    ['too many fields', `ssh-ed25519 ${wire('ssh-ed25519', Buffer.alloc(32), Buffer.alloc(1))}`],
    ['too few fields', `ssh-rsa ${wire('ssh-rsa', Buffer.from([1, 0, 1]))}`],
    ['letters that are not base64', `ssh-ed25519 ${'!'.repeat(68)}`],
    ['the name of an object property', 'constructor AAAA'],
  ])('is not %s', (_what, text) => {
    expect(parsePublicKey(text)).toBeUndefined();
  });
});
