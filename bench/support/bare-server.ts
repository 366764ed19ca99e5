/**
 * The least that a Node server can do, in a process of its own, as the baseline: it serialises one object for each
 * request, or inserts one row for it and then does.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import pg from 'pg';

interface Job {
  /** What is answered. */
  answer: unknown;
  /** The socket directory of a PostgreSQL with a table `bare(body jsonb)`; absent: nothing is inserted. */
  insertInto?: string;
}

export interface BareServer extends AsyncDisposable {
  url: string;
  pid: number;
}

export async function startBareServer(job: Job): Promise<BareServer> {
  const child: ChildProcess = fork(import.meta.filename, [], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  child.send(job);
  const [port] = (await once(child, 'message')) as [number];
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

async function serve({ answer, insertInto }: Job): Promise<void> {
  const reply = (response: ServerResponse) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answer));
  };
  const pool = insertInto
    ? new pg.Pool({ host: insertInto, user: 'atoll', database: 'atoll', max: 10 })
    : undefined;
  const server = createServer((request, response) => {
    if (pool) void insert(pool, request).then(() => reply(response));
    else reply(response);
  });
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  process.send?.((server.address() as AddressInfo).port);
  await once(process, 'disconnect');
  server.close();
  server.closeAllConnections();
  await pool?.end();
}

async function insert(pool: pg.Pool, request: IncomingMessage): Promise<void> {
  const body = JSON.parse(await text(request)) as unknown;
  await pool.query({ name: 'bare', text: 'insert into bare (body) values ($1)', values: [body] });
}

if (process.argv[1] === import.meta.filename) {
  const [job] = (await once(process, 'message')) as [Job];
  await serve(job);
}
