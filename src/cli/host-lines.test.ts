import { expect, it } from 'vitest';
import type { HostState } from '../cloud/hosts/index.ts';
import { hostLines, hostReport, overcommitted } from './host-lines.ts';

const gib = 2 ** 30;
const host: HostState = {
  id: 1,
  name: 'box',
  regions: null,
  cpus: 8,
  memory_mib: 24_000,
  kept_memory_mib: 1_500,
  memory_ratio: 4,
  pool_bytes: 60 * gib,
  pool_free_bytes: 48.25 * gib,
  volumes_bytes: 250 * gib,
  volumes_free_bytes: 76 * gib,
  disk_ratio: 10,
  things: 4,
  vcpus: 5,
  dedicated_mib: 4_096,
  shared_mib: 2_048,
  disk_gib: 75,
  volume_gib: 100,
  seen_at: null,
};
const unlimited = { memory_mib: null, pool_bytes: null, volumes_bytes: null };

it('shows what a host has, what is reserved and what is free', () => {
  expect(hostLines([host])).toEqual([
    'host box: 8 CPUs, 5 vCPUs of 4 Droplets, volumes and machines',
    '  memory    4608 of 22500 MiB reserved (2048 MiB shared, 1/4 of which counts), 17892 free for dedicated, 71568 for shared sizes; 1500 kept for the host',
    '  disks     75 of 600 GiB reserved, 525 free (60 GiB, up to 10:1; 48.3 GiB not written yet)',
    '  volumes   100 of 2500 GiB reserved, 2400 free (250 GiB, up to 10:1; 76 GiB not written yet)',
  ]);
});

it('shows a host without limits', () => {
  expect(hostLines([{ ...host, ...unlimited, shared_mib: 0 }]).slice(1)).toEqual([
    '  memory    4096 MiB reserved, no limit',
    '  disks     75 GiB reserved, no limit',
    '  volumes   100 GiB reserved, no limit',
  ]);
  expect(hostReport({ ...host, ...unlimited }).memoryMib).toMatchObject({ total: null, free: null });
});

it('complains of what is beyond the rule, and of nothing else', () => {
  expect(overcommitted([host, { ...host, ...unlimited }])).toEqual([]);
  const strict = { ...host, memory_mib: 5_000, disk_ratio: 1 };
  expect(hostLines([strict])[2]).toContain('75 of 60 GiB reserved, 0 free');
  expect(overcommitted([strict]).map(({ detail }) => detail)).toEqual([
    '4608 MiB of memory are reserved, and the rule allows 3500 MiB: nothing new that needs more is taken',
    '75 GiB of disk are reserved, and the rule allows 60 GiB: nothing new that needs more is taken',
  ]);
});
