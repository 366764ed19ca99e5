import { expect, test } from 'vitest';
import { installedIn } from './packages-in.ts';
import { updatesIn } from './updates.ts';

test('what APT would install is told with the versions', () => {
  const simulated = `Inst openssl [3.5.1-1] (3.5.1-1+deb13u1 Debian-Security:13/stable-security [amd64])
Inst libnew1 (1.0 Debian:13.8/stable [amd64])
Conf openssl (3.5.1-1+deb13u1 Debian-Security:13/stable-security [amd64])
`;
  expect(updatesIn(simulated)).toEqual(['openssl 3.5.1-1 → 3.5.1-1+deb13u1', 'libnew1 none → 1.0']);
  expect(updatesIn('')).toEqual([]);
});

test('what is installed is read of a dpkg status file, by name', () => {
  const status = `Package: socat
Status: install ok installed
Description: two
 Status: install ok installed
Version: 1.8.0.3-1

Package: gone
Status: deinstall ok config-files
Version: 1

Package: haproxy
Status: install ok installed
Version: 3.0.11-1+deb13u5
`;
  expect(installedIn(status)).toEqual([
    { name: 'haproxy', version: '3.0.11-1+deb13u5' },
    { name: 'socat', version: '1.8.0.3-1' },
  ]);
});
