/** An Atoll for a benchmark: started by `./atoll up` in a home of its own, gone afterwards. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { type Config, paths, readConfig } from '../../src/config.ts';
import { findDaemon } from '../../src/setup/processes.ts';
import { familyOf } from './processes.ts';

const launcher = join(import.meta.dirname, '../../atoll');

export interface BenchAtoll extends AsyncDisposable {
  home: string;
  url: string;
  token: string;
  /** The control plane's process. */
  node: number;
  /** PostgreSQL's processes, as they are now. */
  postgres(): number[];
  /** The database, as its superuser. */
  database: pg.Pool;
}

/** Runs `./atoll` and answers what it wrote. Throws with that where it fails. */
export async function atoll(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(launcher, args, { timeout: 300_000 });
  return stdout;
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** A directory for a home that every user can reach: PostgreSQL and the control plane run as one of their own. */
export function temporaryHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'atoll-bench-'));
  chmodSync(home, 0o711);
  return home;
}

/** Starts a simulated Atoll that lets any number of requests in; `settings` are laid over its configuration. */
export async function startSimulated(settings: Partial<Config> = {}): Promise<BenchAtoll> {
  const home = temporaryHome();
  const config: Config = {
    id: randomBytes(2).toString('hex'),
    mode: 'simulated',
    listen: { host: '127.0.0.1', port: await freePort() },
    publicNetwork: { ipv4: '198.18.0.0/15', ipv6: 'fd00:a701::/64' },
    metadataPort: 8169,
    imageAliases: {},
    rateLimit: { perHour: 1e9, perMinute: 1e9 },
    ...settings,
  };
  writeFileSync(paths(home).config, JSON.stringify(config), { mode: 0o644 });
  const remove = async () => {
    await atoll('destroy', '--yes', '--home', home);
    rmSync(home, { recursive: true, force: true });
  };
  const interrupted = () => void remove().finally(() => process.exit(130));
  process.once('SIGINT', interrupted);
  try {
    await atoll('up', '--home', home);
    const running = openRunning(home);
    return {
      ...running,
      async [Symbol.asyncDispose]() {
        process.off('SIGINT', interrupted);
        await running.database.end();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** The Atoll that runs in `home`. Disposing of it leaves it running. */
export function openRunning(home: string): BenchAtoll {
  const { listen } = readConfig(home);
  const pidOf = (name: string) => {
    const daemon = findDaemon(home, name);
    if (!daemon) throw new Error(`${name} of ${home} does not run: ./atoll up --home ${home}`);
    return daemon.pid;
  };
  const postmaster = pidOf('postgres');
  const database = new pg.Pool({
    host: paths(home).postgresSocket,
    user: 'postgres',
    database: 'atoll',
    max: 1,
  });
  return {
    home,
    url: `http://${listen.host}:${listen.port}`,
    token: readFileSync(paths(home).token, 'utf8').trim(),
    node: pidOf('control'),
    postgres: () => familyOf(postmaster),
    database,
    [Symbol.asyncDispose]: () => database.end(),
  };
}

/** Lets the control plane stand still meanwhile: what is measured without it must not share the cores with it. */
export async function withoutControlPlane<Result>(
  { node }: BenchAtoll,
  work: () => Promise<Result>,
): Promise<Result> {
  process.kill(node, 'SIGSTOP');
  try {
    return await work();
  } finally {
    process.kill(node, 'SIGCONT');
  }
}

/** Calls the API and answers the body. Throws on anything but a success. */
export async function call<Body>(
  { url, token }: Pick<BenchAtoll, 'url' | 'token'>,
  method: string,
  path: string,
  body?: unknown,
): Promise<Body> {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as Body;
}
