import { beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import type { BuiltImage } from '../../setup/images/cache.ts';
import { BuildFailed, type BuildOptions } from '../../setup/images/start-build.ts';
import { type Builds, imageBuilds } from './builds.ts';

const image = (digest: string): BuiltImage => ({
  file: `/nowhere/${digest}`,
  digest,
  bytes: 1,
  builtAt: new Date('2026-01-01T00:00:00Z'),
});

let cache: BuiltImage | undefined;
let started: { options: BuildOptions; done(digest: string): void; fail(error: Error): void }[];
let builds: Builds;
let cleared: number;
beforeEach(() => {
  cleared = 0;
  cache = undefined;
  started = [];
  builds = imageBuilds({
    cacheDir: '/nowhere',
    clock: systemClock,
    there: async () => cache,
    start: (_name, options) =>
      new Promise((resolve, reject) =>
        started.push({
          options,
          done(digest) {
            cache = image(digest);
            resolve(cache);
          },
          fail: reject,
        }),
      ),
    clear: async () => void cleared++,
    updates: async (_name, { file }) => [`${file} 1 → 2`],
  });
});
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('a build is begun once, tells its steps, and is there then', async () => {
  expect(await builds.look('edge')).toEqual({ state: 'absent' });
  expect(await builds.build('edge', undefined)).toEqual({ state: 'building', step: 'starting' });
  await builds.build('edge', undefined);
  expect(started).toHaveLength(1);
  expect(started[0]?.options).toMatchObject({ niced: true });
  started[0]?.options.step?.('packing');
  expect(await builds.look('edge')).toEqual({ state: 'building', step: 'packing' });
  started[0]?.done('b1');
  await turn();
  expect(await builds.look('edge')).toEqual({ state: 'ready', ...image('b1') });
  expect(await builds.build('edge', undefined)).toMatchObject({ state: 'ready' });
  expect(started).toHaveLength(1);
});

test('one that fails says why and what to do, until it is begun anew', async () => {
  await builds.build('edge', undefined);
  started[0]?.fail(
    new BuildFailed('mmdebstrap: exit code 25: W: x\nE: Unable to locate package haproxy\nmore', true),
  );
  await turn();
  expect(await builds.look('edge')).toEqual({
    state: 'failed',
    message: expect.stringMatching(/^E: Unable to locate package haproxy\. .*APT sources.*apt-get update/),
  });
  expect(await builds.build('edge', undefined)).toMatchObject({ state: 'building' });
  expect(started).toHaveLength(2);
});

test('an outdated build is built anew, and one that is newer already is taken', async () => {
  cache = image('b1');
  expect(await builds.updates('edge', new AbortController().signal)).toEqual(['/nowhere/b1 1 → 2']);
  expect(await builds.build('edge', 'b1')).toMatchObject({ state: 'building' });
  started[0]?.done('b2');
  await turn();
  expect(await builds.build('edge', 'b1')).toMatchObject({ state: 'ready', digest: 'b2' });
  expect(started).toHaveLength(1);
});

test('builds end with hostd, and leave nothing', async () => {
  const stop = new AbortController();
  const run = builds.run(stop.signal);
  await turn();
  expect(cleared).toBe(1);
  await builds.build('edge', undefined);
  const [build] = started;
  build?.options.signal?.addEventListener('abort', () => build.fail(new Error('aborted')));
  stop.abort();
  await run;
  expect(cleared).toBe(2);
  expect(await builds.look('edge')).toEqual({ state: 'absent' });
});
