import { expect, test } from 'vitest';
import { parseRelease, type Release } from './release.ts';
import { type SuiteRequest, suiteRecipe } from './suite.ts';

const now = new Date('2026-12-01T00:00:00Z');
const mirror = 'http://mirror.test/ubuntu';
const noble: Release = {
  origin: 'Ubuntu',
  codename: 'noble',
  version: '24.04',
  components: ['main'],
  signed: true,
};
/** A keyring that is there, whatever it is. */
const keyring = import.meta.filename;
const request = { suite: 'noble', mirror, keyring, allowUnsigned: false, allowExpired: false };

/** What a mirror has, by the names of its suites. */
const build = (suites: Record<string, Release>, changes: Partial<SuiteRequest> = {}) =>
  suiteRecipe(
    'mine',
    { ...request, ...changes },
    { now, ask: async (uri, suite) => (uri === mirror ? suites[suite] : undefined) },
  );

test('a Release file says whose it is, how long it is good, and whether it is signed', () => {
  const fields = `Origin: Debian
Suite: testing
Codename: forky
Date: Fri, 30 Oct 2026 08:08:01 UTC
Valid-Until: Fri, 06 Nov 2026 08:08:01 UTC
Components: main contrib
SHA256:
 aa 1 main/binary-amd64/Packages
`;
  const forky = {
    origin: 'Debian',
    codename: 'forky',
    components: ['main', 'contrib'],
    signed: false,
    validUntil: new Date('2026-11-06T08:08:01Z'),
  };
  expect(parseRelease(fields)).toEqual(forky);
  expect(parseRelease(`-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n${fields}`)).toEqual({
    ...forky,
    signed: true,
  });
});

test('the image has the updates that the mirror has, and its signer', async () => {
  const { recipe } = await build({ noble, 'noble-security': noble });
  expect(recipe.sources).toEqual([
    { uri: mirror, suite: 'noble' },
    { uri: mirror, suite: 'noble-security' },
  ]);
  expect(recipe).toMatchObject({ codename: 'noble', version: '24.04' });
  expect(recipe.archive).toMatchObject({
    os: 'Ubuntu',
    components: ['main', 'universe'],
    options: [`signed-by=${keyring}`],
    lines: ['Signed-By: /etc/apt/keyrings/atoll-mirror.gpg'],
    keyring: { from: keyring, to: '/etc/apt/keyrings/atoll-mirror.gpg' },
  });
});

test('what is not signed, or is over, is taken by a word only', async () => {
  const late = { ...noble, validUntil: new Date('2026-11-06T08:08:01Z') };
  await expect(build({ noble: late })).rejects.toThrow('was to be trusted until 2026-11-06');
  await expect(build({ noble, 'noble-updates': late })).rejects.toThrow('--allow-expired');
  const expired = await build({ noble: late }, { allowExpired: true });
  expect(expired.recipe.archive?.options).toContain('check-valid-until=no');
  expect(expired.recipe.archive?.lines).toContain('Check-Valid-Until: no');

  const bare = { ...noble, signed: false };
  await expect(build({ noble: bare })).rejects.toThrow('is not signed');
  const unsigned = await build({ noble: bare }, { allowUnsigned: true });
  expect(unsigned.recipe.archive).toMatchObject({ options: ['trusted=yes'], lines: ['Trusted: yes'] });
  expect(unsigned.recipe.archive?.keyring).toBeUndefined();
});

test('says what is missing: the suite, a keyring', async () => {
  await expect(build({})).rejects.toThrow(`${mirror} has no suite noble`);
  await expect(build({ noble }, { keyring: '/nonexistent/keyring.gpg' })).rejects.toThrow(
    'The keyring /nonexistent/keyring.gpg is not here',
  );
  const other = { ...noble, origin: 'Devuan' };
  await expect(build({ noble: other }, { keyring: undefined })).rejects.toThrow(
    "The mirror is Devuan's, whose keyring is not known here",
  );
});
