import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { type Config, configSchema, paths } from '../config.ts';
import { ForeignEngines, mismatch } from '../control/cloud-id.ts';
import type { PoolStatus } from '../hostd/pool.ts';
import { findDaemon, startDaemon, stopDaemon } from '../setup/processes.ts';
import { asUser, type User } from '../setup/user.ts';
import type { Shown } from '../setup/view.ts';
import { isHealthy } from './endpoint.ts';

/** The root of the checkout that this code runs from. */
export const checkout = join(import.meta.dirname, '../..');

export const controlName = 'control';
export const hostdName = 'hostd';

const restartedForChange = 'restarted: code or configuration changed';

/** How long open requests get to finish when the control plane is stopped, with some room (ms). */
const drainMs = 40_000;

/** Changes whenever a process that was started before is of other code or configuration than now. */
export function fingerprint(config: Config, root = checkout): string {
  // Parsed: so that it has the same order of keys as one that is read from its file.
  const configuration = JSON.stringify(configSchema.parse(config));
  const hash = createHash('sha256').update(configuration).update(process.versions.node);
  // Renewed under the same name.
  if (config.tls) hash.update(readFileSync(config.tls.cert));
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(ts|sql|json)$/.test(file) && !file.endsWith('.test.ts'))
    .sort();
  for (const file of [...files.map((name) => join('src', name)), 'package-lock.json']) {
    const { mtimeMs, size } = statSync(join(root, file));
    hash.update(`${file} ${mtimeMs} ${size}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

/** The Node that came with the dependencies, else the one that runs this. */
function nodeProgram(): string {
  const bundled = join(checkout, `node_modules/node-linux-${process.arch}/bin/node`);
  return existsSync(bundled) ? bundled : process.execPath;
}

/**
 * In MiB: Node lets the youngest objects pile up to three times this before it looks which of them still live. With
 * half of its default the processes take 45 to 80 MB less, at about a tenth of the speed of a list.
 */
const youngGeneration = '--max-semi-space-size=8';

/** The command that runs a TypeScript program of the checkout. */
function nodeCommand(program: string, home: string): string[] {
  return [
    nodeProgram(),
    '--disable-warning=ExperimentalWarning',
    youngGeneration,
    join(checkout, program),
    '--home',
    home,
  ];
}

/** What the user of the control plane must reach of this code: the checkout and its Node. */
export function codeDirectories(): Shown[] {
  return [{ path: checkout }, { path: dirname(nodeProgram()) }];
}

/**
 * Throws with the remedy where a home that has an address cannot have the one that it is to change to: before anything is
 * stopped or written down for it. A port that it keeps is its own control plane's.
 */
export async function checkNewAddress(before: Config['listen'], next: Config['listen']): Promise<void> {
  if (before.host === next.host && before.port === next.port) return;
  await checkAddressFree({ host: next.host, port: before.port === next.port ? 0 : next.port });
}

/** Throws with the remedy where another program has the address. Port 0: where it is none of this machine. */
async function checkAddressFree({ host, port }: Config['listen']): Promise<void> {
  const server = createServer();
  try {
    server.listen({ host, port });
    await once(server, 'listening');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') {
      throw new Error(`Port ${port} of ${host} is in use by another program: give another one by --port.`, {
        cause: error,
      });
    }
    if (code === 'EADDRNOTAVAIL')
      throw new Error(
        `${host} is no address of this machine: give one that it has by --listen, or 0.0.0.0 for all.`,
        { cause: error },
      );
    throw error;
  } finally {
    server.close();
  }
}

/** Answers undefined where the daemon runs as it should, else why it has to be started (and stops an old one). */
async function reasonToStart(
  home: string,
  name: string,
  wanted: string,
  well: () => Promise<boolean>,
): Promise<string | undefined> {
  const running = findDaemon(home, name);
  if (!running) return 'started';
  if (running.fingerprint === wanted && (await well())) return undefined;
  await stopDaemon(home, name, { deadlineMs: drainMs });
  return running.fingerprint === wanted ? 'restarted: it did not answer' : restartedForChange;
}

/**
 * Runs the control plane as `user` and waits until it is healthy. `replaces`: an older one was stopped for it.
 * @throws ForeignEngines where it finds that the database is not that of the engines; it does not run then
 */
export async function ensureControlPlane(
  home: string,
  config: Config,
  user: User | undefined,
  { acceptDatabase = false, replaces = false } = {},
): Promise<string> {
  const wanted = fingerprint(config);
  const well = () => isHealthy(config);
  const reason = await reasonToStart(home, controlName, wanted, well);
  if (!reason) return 'runs';
  await checkAddressFree(config.listen);
  const command = [
    ...asUser(user, nodeCommand('src/main.ts', home)),
    ...(acceptDatabase ? ['--accept-database'] : []),
  ];
  try {
    await startDaemon(home, { name: controlName, command, fingerprint: wanted }, well, 60_000);
  } catch (error) {
    throw refusal(error) ?? error;
  }
  return replaces ? restartedForChange : reason;
}

/** What a control plane said that refused its database; undefined where it ended for another reason. */
function refusal(error: unknown): ForeignEngines | undefined {
  const { message } = error as Error;
  const at = message.indexOf(mismatch);
  // The end of the log is indented by two.
  return at < 0 ? undefined : new ForeignEngines(message.slice(at).replaceAll(/^ {2}/gm, ''));
}

/** Runs hostd (as root) and waits until it answers on its socket. */
export async function ensureHostd(home: string, config: Config): Promise<string> {
  const wanted = fingerprint(config);
  const well = () => hostdAnswers(home);
  const reason = await reasonToStart(home, hostdName, wanted, well);
  if (!reason) return 'runs';
  await startDaemon(
    home,
    {
      name: hostdName,
      command: nodeCommand('src/hostd/main.ts', home),
      fingerprint: wanted,
      // Daemons do not have our environment; images are built where the others of this machine are.
      env: { ...(process.env.ATOLL_CACHE && { ATOLL_CACHE: process.env.ATOLL_CACHE }) },
    },
    well,
  );
  return reason;
}

/** What hostd tells of itself (see its protocol.ts). */
export interface HostdHealth {
  droplets: number;
  /** What it cannot put right. */
  trouble?: string;
  pool: PoolStatus;
}

/** Whether hostd answers that it is well. */
export async function hostdAnswers(home: string): Promise<boolean> {
  return (await hostdHealth(home)) !== undefined;
}

/** What hostd tells of itself; undefined where it does not answer, or this user may not ask. */
export async function hostdHealth(home: string): Promise<HostdHealth | undefined> {
  const request = httpRequest({
    socketPath: paths(home).hostdSocket,
    path: '/healthz',
    agent: false,
    timeout: 5000,
  });
  try {
    request.once('timeout', () => request.destroy());
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const text = (await response.setEncoding('utf8').toArray()).join('');
    return response.statusCode === 200 ? (JSON.parse(text) as HostdHealth) : undefined;
  } catch {
    return undefined;
  }
}

/** A control plane of other code or configuration than now, if one runs. */
export interface OlderControlPlane {
  /** Tells it to end: it takes no more requests and finishes those that are under way. */
  tell(): void;
  /** Waits for its end. */
  stop(): Promise<void>;
}

export function olderControlPlane(home: string, config: Config): OlderControlPlane | undefined {
  const running = findDaemon(home, controlName);
  if (!running || running.fingerprint === fingerprint(config)) return undefined;
  return {
    tell() {
      if (findDaemon(home, controlName)?.pid === running.pid) process.kill(running.pid, 'SIGTERM');
    },
    async stop() {
      await stopControlPlane(home);
    },
  };
}

/** Stops the control plane; it finishes the requests that are under way first. */
export async function stopControlPlane(home: string): Promise<boolean> {
  return await stopDaemon(home, controlName, { deadlineMs: drainMs });
}

export async function stopHostd(home: string): Promise<boolean> {
  return await stopDaemon(home, hostdName);
}

/** Takes away what a stopped hostd left in force: packet filter, neighbour entries, its state. */
export function hostdRemoveCommand(home: string): string[] {
  return [...nodeCommand('src/hostd/main.ts', home), '--remove'];
}
