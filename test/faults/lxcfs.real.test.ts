import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { until } from '../../src/setup/daemon.ts';
import { ensureLxcfs, isLxcfsServing, stopLxcfs } from '../../src/setup/lxcfs.ts';
import { unless, whyNotRoot } from '../support/obstacles.ts';

it('an lxcfs that was killed is replaced, and none leaves a mount behind', unless(whyNotRoot()), async () => {
  const directory = mkdtempSync(join(tmpdir(), 'lxcfs-'));
  const mountPoint = join(directory, 'mnt');
  const ensure = () => ensureLxcfs(join(directory, 'log'), () => {}, mountPoint);
  const mounted = () => readFileSync('/proc/self/mounts', 'utf8').includes(` ${mountPoint} `);
  let pid: number | undefined;
  const killed = async () => {
    process.kill(pid ?? 0, 'SIGKILL');
    await until(() => !isLxcfsServing(mountPoint), { timeoutMs: 5000 });
    expect(mounted()).toBe(true);
  };
  try {
    ({ pid } = await ensure());
    expect(pid).toBeDefined();
    expect(isLxcfsServing(mountPoint)).toBe(true);
    expect(await ensure()).toEqual({});

    await killed();
    ({ pid } = await ensure());
    expect(pid).toBeDefined();
    expect(readFileSync(join(mountPoint, 'proc/meminfo'), 'utf8')).toContain('MemTotal');

    await killed();
  } finally {
    if (pid !== undefined) await stopLxcfs(pid, () => {}, mountPoint);
    expect(mounted()).toBe(false);
    rmSync(directory, { recursive: true });
  }
});
