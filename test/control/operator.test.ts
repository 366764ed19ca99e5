/** What the operator can ask of a loop, and what a control plane asks of PostgreSQL. */
import { mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { EngineError } from '../../src/base/engine-error.ts';
import { silentLog } from '../../src/base/log.ts';
import { loopLines } from '../../src/cli/loop-lines.ts';
import { outdatedLines } from '../../src/cli/outdated.ts';
import { request } from '../../src/cli/request.ts';
import { type LoopReport, type OperatorPort, openOperatorPort } from '../../src/control/operator-port.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, order } from '../support/droplets.ts';
import { until } from '../support/until.ts';

let atoll: TestAtoll;
let directory: string;
let port: OperatorPort;
let socket: string;
const older = [{ urn: 'do:droplet:5', name: 'droplet-5', settings: ['security.syscalls.deny'] }];
beforeAll(async () => {
  atoll = await startAtoll();
  directory = mkdtempSync(join(tmpdir(), 'atoll-operator-'));
  socket = join(directory, 'loop.sock');
  const { db } = atoll.database.store;
  const outdated = () => Promise.resolve(older);
  port = await openOperatorPort(
    { db, clock: systemClock, log: silentLog, metrics: atoll.plane.metrics, outdated },
    [{ socket }],
  );
});
afterAll(async () => {
  await port.close();
  await atoll.close();
  rmSync(directory, { recursive: true });
});

const report = async (): Promise<LoopReport> =>
  (await request('http://operator/loop', { socketPath: socket })).body as LoopReport;
const exposition = (): Promise<string> =>
  new Promise((resolve, reject) => {
    get({ socketPath: socket, path: '/metrics' }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });

describe('the operator port', () => {
  it('tells how long it took from a wake until it was done, and of nothing to do', async () => {
    await createDroplet(atoll.api);
    await until(async () => (await report()).kinds.length === 0);
    const { counts, loops } = await report();
    expect(loops).toBe(1);
    expect(counts.droplet?.wakeToDone.count).toBeGreaterThan(0);
    expect(counts.droplet?.wakeToDone.sumSeconds).toBeLessThan(30);
    const text = await exposition();
    expect(text).toMatch(/^atoll_reconcile_resources\{kind="droplet",state="due"\} 0$/m);
    expect(text).toMatch(/^atoll_reconcile_wake_to_done_seconds_count\{kind="droplet"\} [1-9]/m);
    const finite = Number(/_bucket\{kind="droplet",le="1800"\} (\d+)/.exec(text)?.[1]);
    const infinite = Number(/_bucket\{kind="droplet",le="\+Inf"\} (\d+)/.exec(text)?.[1]);
    expect(finite).toBe(infinite);
    // A line is a comment or a sample: what Prometheus reads.
    for (const line of text.trimEnd().split('\n'))
      expect(line).toMatch(/^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z_]+="[^"]*",?)+\})? [0-9.e+-]+)$/);
  });

  it('tells what waits, what fails, since when, and why', async () => {
    atoll.world.fail('create', new EngineError('failed', 'no init in it'), 3);
    await atoll.api.expect(202, 'POST', '/v2/droplets', order);
    let failing: LoopReport['kinds'][number] | undefined;
    await until(async () => {
      failing = (await report()).kinds.find((each) => each.failing > 0);
      return failing !== undefined;
    });
    expect(failing).toMatchObject({ kind: 'droplet', failing: 1, lastError: 'no init in it' });
    await until(async () => (await report()).kinds.length === 0);

    atoll.world.unavailable(true);
    await atoll.api.expect(202, 'POST', '/v2/droplets', order);
    await until(async () => (await report()).kinds.some((each) => each.waiting > 0));
    const now = await report();
    const lines = loopLines(now, new Date()).join('\n');
    expect(lines).toMatch(/droplet +1 (waiting|due|running)/);
    expect(lines).toContain('unavailable: the simulated engine is down');
    expect(await exposition()).toMatch(/^atoll_reconcile_oldest_seconds\{kind="droplet"\} 0?\.?[0-9]*[1-9]/m);
    atoll.world.unavailable(false);
    await until(async () => (await report()).kinds.length === 0);
  });

  it('tells which machines are not yet what one of today is', async () => {
    expect((await request('http://operator/outdated', { socketPath: socket })).body).toEqual(older);
    expect(outdatedLines(older)).toEqual([
      expect.stringContaining('1 machine runs as an older version'),
      '  do:droplet:5    security.syscalls.deny',
    ]);
  });

  it('knows nothing else', async () => {
    expect((await request('http://operator/v2/droplets', { socketPath: socket })).status).toBe(404);
    expect((await request('http://operator/loop', { socketPath: socket, method: 'POST' })).status).toBe(404);
  });
});
