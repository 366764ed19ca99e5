/** The counting of old on a file system of the test's own: what the kernel says of it, and how it is mended. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { run as runOnHost } from '../../src/hostd/exec.ts';
import { poolCare } from '../../src/hostd/pool.ts';
import { type PoolQuotas, poolQuotas } from '../../src/setup/pool-quotas.ts';
import { type LoopDevice, loopDevice } from '../support/loop-device.ts';
import { unless, whyNoBtrfs } from '../support/obstacles.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);

describe('a pool of quota groups', unless(await whyNoBtrfs()), () => {
  let directory: string;
  let loop: LoopDevice;
  let quotas: PoolQuotas;
  const root = () => join(directory, 'pool');
  const btrfs = (...args: string[]) => run('btrfs', args);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'at-pool-'));
    loop = await loopDevice(join(directory, 'pool.img'), { bytes: 512 * 2 ** 20, raw: true });
    await run('mkfs.btrfs', ['-q', loop.path]);
    await mkdir(root());
    await run('mount', [loop.path, root()]);
    quotas = poolQuotas({ directory: root(), run: runOnHost });
  });
  afterAll(async () => {
    if (!loop) return;
    await run('umount', [root()]);
    await loop.remove();
    await rm(directory, { recursive: true, force: true });
  });

  test('that loses count is counted anew, and its disks are limited again', async () => {
    const care = poolCare({ quotas, clock: systemClock, log: () => {} });
    expect(care.status()).toEqual({ mode: 'none', inForce: false, repairs: 0 });
    await btrfs('quota', 'enable', root());
    await mkdir(join(root(), 'containers'));
    const disk = join(root(), 'containers/at0000-droplet-1');
    await btrfs('subvolume', 'create', disk);
    await care.limit('at0000-droplet-1', 20 * 2 ** 20);
    // The kernel counts what is there in the background first.
    await until(() => Promise.resolve(care.status().inForce), 20_000, 'it is counted', 50);
    expect(care.status()).toMatchObject({ mode: 'qgroup', inForce: true });

    // A group above one that holds something already, without counting: so the kernel has lost count.
    const [{ group } = { group: '' }] = await quotas.subvolumes();
    await btrfs('qgroup', 'create', '1/0', root());
    await run('dd', ['if=/dev/zero', `of=${disk}/file`, 'bs=1M', 'count=4', 'conv=fsync']);
    await btrfs('subvolume', 'snapshot', disk, join(root(), 'copy'));
    await btrfs('qgroup', 'assign', '--no-rescan', group, '1/0', root()).catch(() => {});
    expect(care.status()).toMatchObject({ inForce: false, repairs: 0 });

    await care.check();
    expect(care.status()).toMatchObject({ mode: 'qgroup', inForce: true, repairs: 1 });
    const write = run('dd', ['if=/dev/zero', `of=${disk}/more`, 'bs=1M', 'count=64', 'conv=fsync']);
    await expect(write).rejects.toThrow(/quota exceeded/i);
    expect(await quotas.subvolumes()).toContainEqual(
      expect.objectContaining({ path: 'containers/at0000-droplet-1', limit: 20 * 2 ** 20 }),
    );
  });
});
