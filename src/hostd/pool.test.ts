import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { drivenClock } from '../base/clock.ts';
import { poolQuotas } from '../setup/pool-quotas.ts';
import { NoDisk, poolCare } from './pool.ts';

/** What btrfs-progs 6.2 print of a pool with two disks and the group of one that is gone. */
const subvolumes = `ID 256 gen 12 top level 5 path images/4f4f67a5
ID 257 gen 19 top level 5 path containers/at0a1b-droplet-11
ID 258 gen 19 top level 5 path containers/at0a1bn-droplet-12
`;
const groups = `Qgroupid    Referenced    Exclusive  Max referenced  Max exclusive   Path 
--------    ----------    ---------  --------------  -------------   ---- 
0/5              16384        16384            none           none   <toplevel>
0/256          5672960        16384            none           none   images/4f4f67a5
0/257       1073725440     53000000      1073741824           none   containers/at0a1b-droplet-11
0/258         21233664        57344      2147483648           none   containers/at0a1bn-droplet-12
0/259            16384        16384      1073741824           none   <stale>
`;

let root: string;
let clock: ReturnType<typeof drivenClock>;
let calls: string[];
let logged: string[];
/** What happens when a command is run. */
let onRun: (command: string) => void | Promise<void>;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'atoll-pool-'));
  clock = drivenClock();
  calls = [];
  logged = [];
  onRun = () => {};
  mkdirSync(join(root, 'sys/features'), { recursive: true });
  mkdirSync(join(root, 'sys/1f2d7378/devices/loop9'), { recursive: true });
  writeFileSync(
    join(root, 'mountinfo'),
    '36 25 0:33 / /srv/a\\040b/pool rw,relatime shared:1 - btrfs /dev/loop9 rw,space_cache=v2\n' +
      '37 25 0:34 / /srv/other rw shared:2 - ext4 /dev/loop8 rw\n',
  );
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** What the kernel says of the pool's quotas. */
function kernelSays(qgroups: Record<string, string>): void {
  const directory = join(root, 'sys/1f2d7378/qgroups');
  mkdirSync(directory, { recursive: true });
  for (const [name, text] of Object.entries(qgroups)) writeFileSync(join(directory, name), `${text}\n`);
}

function care(directory = '/srv/a b/pool') {
  const quotas = poolQuotas({
    directory,
    sysfs: join(root, 'sys'),
    mountinfo: join(root, 'mountinfo'),
    async run(program, args) {
      const command = [program, ...args].join(' ');
      calls.push(command);
      await onRun(command);
      if (command.includes('subvolume list')) return subvolumes;
      return command.includes('qgroup show') ? groups : '';
    },
  });
  return poolCare({ quotas, clock, log: (level, message) => logged.push(`${level} ${message}`) });
}

const rescan = 'btrfs quota rescan -w /srv/a b/pool';
const clear = 'nice -n 19 btrfs qgroup clear-stale /srv/a b/pool';

describe('a pool that has lost count', () => {
  test('is counted anew, once, and it is told', async () => {
    kernelSays({ enabled: '1', inconsistent: '1' });
    onRun = () => kernelSays({ inconsistent: '0' });
    const pool = care();
    expect(pool.status()).toEqual({ mode: 'qgroup', inForce: false, repairs: 0 });
    await pool.check();
    await pool.check();
    expect(calls).toEqual([rescan]);
    expect(pool.status()).toEqual({
      mode: 'qgroup',
      inForce: true,
      repairs: 1,
      repairedAt: '2026-01-01T00:00:00.000Z',
    });
    expect(logged).toEqual([
      'error the storage pool has lost count: no disk is limited; it is counted anew',
      'info the storage pool is counted: disks are limited again',
    ]);
  });

  test('is let be for a while where it loses count again and again', async () => {
    kernelSays({ enabled: '1', inconsistent: '1' });
    const pool = care();
    // The counting takes a minute.
    onRun = () => clock.advance(60_000);
    await pool.check();
    onRun = () => {};
    await pool.check();
    expect(calls).toEqual([rescan]);
    await clock.advance(600_000);
    await pool.check();
    expect(calls.filter((call) => call === rescan)).toHaveLength(2);
  });

  test('that cannot be counted is told once, and tried again', async () => {
    kernelSays({ enabled: '1', inconsistent: '1' });
    onRun = () => {
      throw new Error('btrfs: no room');
    };
    const pool = care();
    await pool.check();
    await pool.check();
    expect(calls).toEqual([rescan, rescan]);
    expect(pool.status()).toMatchObject({ inForce: false, repairs: 0, trouble: 'btrfs: no room' });
    expect(logged.filter((line) => line.includes('not as it should be'))).toHaveLength(1);
    onRun = () => kernelSays({ inconsistent: '0' });
    await pool.check();
    expect(pool.status()).not.toHaveProperty('trouble');
  });

  test('by simple quotas is told with the remedy, for it cannot be counted', async () => {
    kernelSays({ enabled: '1', mode: 'squota', inconsistent: '1' });
    const pool = care();
    await pool.check();
    expect(calls).toEqual([]);
    expect(pool.status()).toMatchObject({ mode: 'squota', inForce: false });
    expect(pool.status().trouble).toContain('./atoll up');
  });
});

test('groups of disks that are gone are removed every ten minutes', async () => {
  kernelSays({ enabled: '1', mode: 'squota', inconsistent: '0' });
  const pool = care();
  const stop = new AbortController();
  void pool.run(stop.signal);
  await clock.advance(590_000);
  expect(calls).toEqual([]);
  onRun = () => {
    throw new Error('btrfs qgroup clear-stale: unable to destroy quota group: Device or resource busy');
  };
  await clock.advance(60_000);
  expect(calls).toEqual([clear]);
  expect(pool.status()).toEqual({ mode: 'squota', inForce: true, repairs: 0 });
  await clock.advance(1_260_000);
  expect(calls).toEqual([clear, clear, clear]);
  stop.abort();
});

test.each([
  ['is not mounted', '/srv/elsewhere', {}, undefined],
  ['is no btrfs', '/srv/other', {}, undefined],
  ['has no quotas', '/srv/a b/pool', { enabled: '0' }, 'none'],
])('a pool that %s is let be, and no limit is in force', async (_, directory, says, mode) => {
  kernelSays(says);
  const pool = care(directory);
  await pool.check();
  await clock.advance(700_000);
  await pool.check();
  expect(calls).toEqual([]);
  expect(pool.status()).toEqual({ mode, inForce: false, repairs: 0 });
});

describe('the limit of a disk', () => {
  const gib = 2 ** 30;
  const limits = () => calls.filter((call) => call.includes('qgroup limit'));

  test('is written by the number of its group, at the root of the pool', async () => {
    await care().limit('at0a1b-droplet-11', 2 * gib);
    expect(limits()).toEqual([`btrfs qgroup limit ${2 * gib} 0/257 /srv/a b/pool`]);
  });

  test('with room is above what it may have, and above what it has', async () => {
    await care().limit('at0a1b-droplet-11', gib, true);
    await care().limit('at0a1b-droplet-11', gib / 2, true);
    const room = 64 * 2 ** 20;
    expect(limits()).toEqual([
      `btrfs qgroup limit ${gib + room} 0/257 /srv/a b/pool`,
      `btrfs qgroup limit ${1073725440 + room} 0/257 /srv/a b/pool`,
    ]);
  });

  test('of a disk that is not there is refused', async () => {
    await expect(care().limit('at0a1b-droplet-13', gib)).rejects.toThrow(NoDisk);
    expect(limits()).toEqual([]);
  });
});
