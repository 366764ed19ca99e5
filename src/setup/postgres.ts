import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { paths } from '../config.ts';
import { run } from './command.ts';
import { until } from './daemon.ts';
import { findBinaries, type PostgresBinaries } from './postgres-binaries.ts';
import { adoptDaemon, findDaemon, startDaemon, stopDaemon } from './processes.ts';
import { asUser, privateDirectory, type User } from './user.ts';

/** How to reach the database of a home: over its unix socket, as the operating system user (peer). */
export interface PostgresServer {
  socketDir: string;
  database: string;
  user: string;
  major: number;
  /** Whether this call started it. */
  started: boolean;
}

const daemonName = 'postgres';
const database = 'atoll';
const role = 'atoll';
/** PostgreSQL's own superuser; only root (or, without root, the user that runs Atoll) may be it. */
const superuser = 'postgres';

/** Small: the whole control plane is to stay under 300 MB. Durability is PostgreSQL's default, said aloud. */
const settings = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  // Ten control planes with seven each at the most, and room for the operator's own. One that is idle costs 2 MB.
  max_connections: '100',
  shared_buffers: '32MB',
  max_wal_size: '256MB',
  fsync: 'on',
  synchronous_commit: 'on',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

/** Who may connect as whom (pg_ident.conf, for the map that pg_hba.conf names). */
export function identMap(owner: string, administrator: string): string {
  const pairs = new Map<string, string[]>([[owner, [role]]]);
  pairs.set(administrator, [role, superuser]);
  return [...pairs].flatMap(([os, roles]) => roles.map((name) => `atoll ${os} ${name}\n`)).join('');
}

/** The major that made a data directory, or undefined where there is none. */
function majorOf(dataDirectory: string): number | undefined {
  const file = join(dataDirectory, 'PG_VERSION');
  return existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : undefined;
}

/** Creates the database cluster: beside its place first, so that one that is there is whole. */
async function initialise(data: string, binaries: PostgresBinaries, user: User | undefined): Promise<void> {
  const unfinished = `${data}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  privateDirectory(unfinished, user);
  const options = ['--encoding=UTF8', '--locale=C.UTF-8', `--username=${superuser}`, '--auth=peer'];
  const [file = '', ...args] = asUser(user, [
    join(binaries.directory, 'initdb'),
    '-D',
    unfinished,
    ...options,
  ]);
  await run(file, args, { timeoutMs: 120_000, cwd: dirname(data) });
  renameSync(unfinished, data);
}

/** Whether a process works in this data directory, as a postmaster and each of its backends do. */
function worksIn(pid: number | string, data: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === data;
  } catch {
    // It has ended, or is somebody else's.
    return false;
  }
}

/**
 * The pid of a postmaster that holds this data directory without being recorded, or undefined. What
 * postmaster.pid says is only believed of a process that works in that directory; any other has the pid by chance.
 */
function unrecordedPostmaster(data: string): number | undefined {
  const file = join(data, 'postmaster.pid');
  if (!existsSync(file)) return undefined;
  const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
  return worksIn(pid, data) ? pid : undefined;
}

/**
 * Removes the lock files of a postmaster that was killed: the pid in them may be another process's by now, or a
 * zombie's, and either keeps PostgreSQL from starting. The backends of the dead one end by themselves; until the
 * last has, it may still write, and a second server must not.
 * @throws where they do not end
 */
async function clearLocks(data: string, socketDir: string): Promise<void> {
  const idle = () => !readdirSync('/proc').some((name) => /^\d+$/.test(name) && worksIn(name, data));
  if (!(await until(idle, { timeoutMs: 30_000 }))) {
    throw new Error(
      `Processes of a PostgreSQL that was killed still work in ${data}: end them, then try again.`,
    );
  }
  for (const file of [join(data, 'postmaster.pid'), join(socketDir, '.s.PGSQL.5432.lock')]) {
    rmSync(file, { force: true });
  }
}

async function connect(socketDir: string, user: string, databaseName: string): Promise<Client> {
  const client = new Client({
    host: socketDir,
    user,
    database: databaseName,
    connectionTimeoutMillis: 5000,
  });
  await client.connect();
  return client;
}

/** Whether the server takes connections: also when it refuses this one because our database is still to be made. */
async function answers(socketDir: string): Promise<boolean> {
  try {
    const client = await connect(socketDir, superuser, 'postgres');
    await client.end();
    return true;
  } catch (error) {
    const code = (error as { code?: string }).code;
    // 57P03: "the database system is starting up".
    if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === '57P03') return false;
    throw error;
  }
}

/**
 * Starts the server. After a SIGKILL of the last one, a session of it may still be busy for a moment, and the new
 * one refuses to start until that is gone.
 */
async function startPostmaster(home: string, command: string[], socketDir: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    try {
      await startDaemon(home, { name: daemonName, command }, () => answers(socketDir), 60_000);
      return;
    } catch (error) {
      const heldByLast = error instanceof Error && error.message.includes('pre-existing shared memory block');
      if (!heldByLast || performance.now() > deadline) throw error;
      await delay(250);
    }
  }
}

/** Makes the role and the database that Atoll works with: the role is no superuser. */
async function ensureDatabase(socketDir: string): Promise<void> {
  const client = await connect(socketDir, superuser, 'postgres');
  try {
    const roles = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [role]);
    if (roles.rowCount === 0) await client.query(`CREATE ROLE ${role} LOGIN`);
    const databases = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
    if (databases.rowCount === 0) await client.query(`CREATE DATABASE ${database} OWNER ${role}`);
  } finally {
    await client.end();
  }
}

/**
 * Brings up the PostgreSQL of a home, on a unix socket in a directory of `user`'s own: makes the data directory
 * the first time, starts it where it does not run. Throws with the remedy where no PostgreSQL can be found or
 * the data was made by another major.
 */
export async function ensurePostgres(options: {
  home: string;
  user?: User | undefined;
  /** Where to look for PostgreSQL's packages instead of /usr/lib/postgresql. */
  systemRoot?: string;
  /** `false`: nobody will want its data after the machine has crashed (tests), and nothing waits for the disk. */
  durable?: boolean;
}): Promise<PostgresServer> {
  const { home, user } = options;
  const { postgresData: data, postgresSocket: socketDir } = paths(home);
  const directory = dirname(data);
  const server = { socketDir, database, user: role };

  const recorded = findDaemon(home, daemonName) !== undefined;
  const unrecorded = recorded ? undefined : unrecordedPostmaster(data);
  if (unrecorded !== undefined) adoptDaemon(home, daemonName, unrecorded);
  if (recorded || unrecorded !== undefined) {
    await ensureDatabase(socketDir);
    return { ...server, major: majorOf(data) ?? 0, started: false };
  }

  mkdirSync(directory, { recursive: true });
  await clearLocks(data, socketDir);
  const made = majorOf(data);
  const binaries = await findBinaries({
    major: made,
    user,
    copyTo: join(directory, 'programs'),
    systemRoot: options.systemRoot,
  });
  if (made === undefined) await initialise(data, binaries, user);
  privateDirectory(socketDir, user);
  const hba = join(directory, 'pg_hba.conf');
  const ident = join(directory, 'pg_ident.conf');
  const administrator = userInfo().username;
  writeFileSync(hba, 'local all all peer map=atoll\n');
  writeFileSync(ident, identMap(user?.name ?? administrator, administrator));
  const files = { unix_socket_directories: socketDir, hba_file: hba, ident_file: ident };
  const durability = options.durable === false ? { fsync: 'off', synchronous_commit: 'off' } : {};
  const flags = Object.entries({ ...settings, ...durability, ...files }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
  const command = asUser(user, [join(binaries.directory, 'postgres'), '-D', data, ...flags]);
  await startPostmaster(home, command, socketDir);
  await ensureDatabase(socketDir);
  return { ...server, major: binaries.major, started: true };
}

/** Stops the PostgreSQL of a home by a fast shutdown (open sessions are ended). Answers whether it ran. */
export async function stopPostgres(home: string): Promise<boolean> {
  return await stopDaemon(home, daemonName, { signal: 'SIGINT', deadlineMs: 30_000 });
}
