import { expect, test } from 'vitest';
import { crypt, newRootAccess } from './root-access.ts';

test('hashes as crypt(3) does', async () => {
  // The test vector of libsodium's crypto_pwhash_scryptsalsa208sha256_str.
  expect(await crypt('pleaseletmein', 'SodiumChloride', 14)).toBe(
    '$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D',
  );
});

test('each droplet has a password of its own, of which the hash tells nothing', async () => {
  const [one, two] = await Promise.all([newRootAccess(), newRootAccess()]);
  expect(one.password).toMatch(/^[\w-]{16}$/);
  expect(one.password).not.toBe(two.password);
  expect(one.root_password_hash).toMatch(/^\$7\$[./0-9A-Za-z]{11}[0-9a-f]{24}\$[./0-9A-Za-z]{43}$/);
  expect(one.root_password_hash).not.toContain(one.password);
});
