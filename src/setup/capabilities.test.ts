import { expect, test } from 'vitest';
import { diskLimits, missingCapabilities, probeHost } from './capabilities.ts';

test('reads the effective set', () => {
  expect(missingCapabilities('CapPrm:\t0\nCapEff:\t000001ffffffffff\n')).toEqual([]);
  expect(missingCapabilities('CapEff:\t000001fffeffffff\n')).toEqual(['CAP_SYS_RESOURCE']);
  expect(missingCapabilities('CapEff:\t0000000000000000\n')).toContain('CAP_SYS_ADMIN');
});

test.each([
  [true, '6.1.0', /^simple quotas$/],
  [false, '6.18.4', /^quota groups .*6\.18\.4/],
  [undefined, '6.12.9-amd64', /^simple quotas$/],
  [undefined, '6.1.0-49-amd64', /^quota groups/],
  [undefined, '7.0.1', /^simple quotas$/],
])('says how disks are limited: feature %j, kernel %s', (simple, release, detail) => {
  expect(diskLimits(simple, release)).toMatchObject({ ok: true, detail: expect.stringMatching(detail) });
});

test('says nothing of virtual machines that Atoll cannot do', async () => {
  const findings = await probeHost({ port: 0, directory: '/' });
  const told = findings.filter(({ detail, remedy }) =>
    /virtual machine|kvm|virtualisation/i.test(detail + remedy),
  );
  expect(told).toEqual([
    { name: 'droplets', ok: true, detail: 'system containers; virtual machines are not built' },
  ]);
});
