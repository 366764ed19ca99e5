/**
 * Sends load from a process of its own, so that its CPU is not the server's: `generateLoad` starts this file as a
 * program, which takes a `Load` as JSON and prints a `LoadResult`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import { quantile } from './report.ts';

export interface Load {
  origin: string;
  method: 'GET' | 'POST';
  path: string;
  token?: string;
  /** Sent in turn. */
  bodies?: string[];
  /** Kept alive; one request at a time on each. */
  connections: number;
  /** For how long new requests are sent. */
  seconds: number;
  /** Arrivals per second at fixed times; absent: as fast as they are answered. */
  perSecond?: number;
  /** The core that the load comes from. */
  core?: number;
}

export interface LoadResult {
  requests: number;
  /** Not answered by a 2xx. */
  failures: number;
  seconds: number;
  /** Milliseconds from when a request was to be sent until its answer was there. */
  p50: number;
  p99: number;
  max: number;
}

/** Sends the load and answers what came of it. Throws where a request failed: then the figures mean nothing. */
export async function generateLoad(load: Load): Promise<LoadResult> {
  const command = [process.execPath, import.meta.filename, JSON.stringify(load)];
  if (load.core !== undefined) command.unshift('taskset', '--cpu-list', String(load.core));
  const [file = '', ...args] = command;
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  if (code !== 0) throw new Error(`the load generator ended with ${String(code)}`);
  const result = JSON.parse(output) as LoadResult;
  if (result.failures > 0) throw new Error(`${result.failures} of ${result.requests} requests failed`);
  return result;
}

async function send(load: Load): Promise<LoadResult> {
  const { method, path, token, bodies, perSecond } = load;
  const pool = new Pool(load.origin, { connections: load.connections, pipelining: 1 });
  const headers = {
    ...(token && { authorization: `Bearer ${token}` }),
    ...(bodies && { 'content-type': 'application/json' }),
  };
  const latencies: number[] = [];
  let failures = 0;
  let sent = 0;
  const start = performance.now();
  const end = start + load.seconds * 1000;

  async function client(): Promise<void> {
    for (;;) {
      const index = sent++;
      const due = perSecond === undefined ? performance.now() : start + (index * 1000) / perSecond;
      if (due >= end) return;
      if (due > performance.now()) await delay(due - performance.now());
      const body = bodies?.[index % bodies.length];
      const answer = await pool.request({ method, path, headers, ...(body !== undefined && { body }) });
      await answer.body.dump({ limit: 1e9 });
      latencies.push(performance.now() - due);
      if (answer.statusCode >= 300) failures++;
    }
  }

  await Promise.all(Array.from({ length: load.connections }, client));
  const seconds = (performance.now() - start) / 1000;
  await pool.close();
  return {
    requests: latencies.length,
    failures,
    seconds,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    max: quantile(latencies, 1),
  };
}

if (process.argv[1] === import.meta.filename) {
  console.log(JSON.stringify(await send(JSON.parse(process.argv[2] ?? '') as Load)));
}
