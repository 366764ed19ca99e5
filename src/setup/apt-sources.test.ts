import { expect, test } from 'vitest';
import { debianMirror, parseDeb822, parseList } from './apt-sources.ts';
import { backportsSource } from './packages.ts';

const oneLine = `
# deb http://commented.test/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] http://mirror.test/debian/ bookworm main contrib # ours
deb-src http://mirror.test/debian bookworm main
deb http://security.test/debian-security bookworm-security main
deb https://packages.example.test/apt stable main
`;

const stanzas = `# a comment
Types: deb deb-src
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEY

Types: deb
URIs: http://off.test/debian
Suites: bookworm
Components: main
Enabled: no
`;

test('reads the one-line notation', () => {
  const sources = parseList(oneLine);
  expect(sources).toHaveLength(4);
  expect(sources[0]).toEqual({
    types: ['deb'],
    uris: ['http://mirror.test/debian/'],
    suites: ['bookworm'],
    components: ['main', 'contrib'],
    signedBy: '/usr/share/keyrings/a.gpg',
  });
});

test('picks the mirror of a one-line machine', () => {
  expect(debianMirror(parseList(oneLine), 'bookworm')).toEqual({
    main: 'http://mirror.test/debian',
    security: 'http://security.test/debian-security',
    updates: false,
    signedBy: '/usr/share/keyrings/a.gpg',
  });
});

test('reads deb822 with an embedded key, without what is switched off', () => {
  const sources = parseDeb822(stanzas);
  expect(sources).toHaveLength(1);
  const mirror = debianMirror(sources, 'bookworm');
  expect(mirror).toMatchObject({ main: 'http://mirror.test/debian', updates: true });
  expect(mirror.signedBy).toContain('\n -----BEGIN PGP');
  expect(parseDeb822(backportsSource(mirror, 'bookworm-backports'))[0]).toMatchObject({
    suites: ['bookworm-backports'],
    signedBy: mirror.signedBy,
  });
});

test('follows the mirror file of the cloud images', () => {
  const sources = parseDeb822(
    'Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: trixie\nComponents: main\n',
  );
  const files: Record<string, string> = {
    '/etc/apt/mirrors/debian.list': '# first\nhttps://deb.test/debian\tpriority:1\n',
  };
  expect(debianMirror(sources, 'trixie', (file) => files[file] ?? '').main).toBe('https://deb.test/debian');
});

test('is not misled by others who name their suites after Debian', () => {
  const sources = parseList(`
deb [signed-by=/usr/share/keyrings/other.gpg] https://other.test/stable/debian bookworm main
deb https://browser.test/deb stable main
deb http://mirror.test/debian bookworm main
deb http://mirror.test/debian bookworm-updates main
`);
  expect(debianMirror(sources, 'bookworm')).toEqual({ main: 'http://mirror.test/debian', updates: true });
});

test('says what is wrong where no source is Debian', () => {
  const sources = parseList('deb cdrom:[Debian]/ bookworm main\ndeb https://other.test/apt any main\n');
  expect(() => debianMirror(sources, 'bookworm')).toThrow(/suite bookworm/);
});
