import { StringDecoder } from 'node:string_decoder';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { EngineError } from '../../../base/engine-error.ts';
import type { IncusClient } from './client.ts';
import { says } from './errors.ts';

const defaultTimeoutMs = 60_000;
/** What runs in a machine is its owner's: a shell that never ends, too. */
const defaultOutputLimit = 64 * 1024;

export interface Finished {
  code: number;
  /** What it printed and what it complained of, in the order in which they came. */
  output: string;
  /** The first of the two alone. */
  printed: string;
}

export interface Execution {
  /** What it reads; seen by nobody else: it is in no argument, no environment and no record. */
  input?: string;
  /** How long it may run, ms. */
  timeoutMs?: number;
  /** How much is read of what it says, in bytes. */
  outputLimit?: number;
}

/** Incus fails to start a command now and then, and while the machine has hardly begun to boot. */
const retries = 5;
const retryMs = 200;

/**
 * Runs a command in a machine that runs, as root. Needs no room on the machine's disk. The command must bear to be run
 * twice.
 * @throws EngineError; not where the command itself fails
 */
export async function execute(
  client: IncusClient,
  path: string,
  command: string[],
  execution: Execution = {},
): Promise<Finished> {
  for (let left = retries; ; left--)
    try {
      return await executeOnce(client, path, command, execution);
    } catch (error) {
      if (left === 0 || !says(error, /failed to retrieve PID/i)) throw error;
      await delay(retryMs);
    }
}

async function executeOnce(
  client: IncusClient,
  path: string,
  command: string[],
  { input = '', timeoutMs = defaultTimeoutMs, outputLimit = defaultOutputLimit }: Execution,
): Promise<Finished> {
  const body = { command, interactive: false, 'wait-for-websocket': true, environment: {} };
  const run = await client.begin('POST', `${path}/exec`, {
    body,
    timeoutMs,
  });
  const connect = (fd: string) =>
    new WebSocket(`ws+unix:${client.socketPath}:${run.operation}/websocket?secret=${run.fds[fd] ?? ''}`);
  const sockets = { control: connect('control'), stdin: connect('0'), out: connect('1'), err: connect('2') };
  try {
    let output = '';
    let printed = '';
    for (const stream of [sockets.out, sockets.err]) {
      // A character may come in two messages.
      const decoder = new StringDecoder('utf8');
      stream.on('message', (data: Buffer, isBinary: boolean) => {
        if (isBinary) {
          const text = decoder.write(data.subarray(0, Math.max(0, outputLimit - output.length)));
          output += text;
          if (stream === sockets.out) printed += text;
        }
        // Nobody listens any more: the command can say nothing more, and mostly ends.
        if (output.length >= outputLimit) stream.terminate();
      });
    }
    sockets.stdin.on('open', () => {
      sockets.stdin.send(Buffer.from(input));
      // A text message stands for the end of the stream.
      sockets.stdin.send('');
    });
    // What an error of a stream means is told by the operation's end.
    for (const socket of Object.values(sockets)) socket.on('error', () => {});
    const drained = Promise.all([sockets.out, sockets.err].map(closed));
    const { return: code } = await run.end<{ return?: number }>();
    await drained;
    if (code === undefined) throw new EngineError('failed', `incus ${path}: ${command[0]} has no exit code`);
    return { code, output, printed };
  } finally {
    for (const socket of Object.values(sockets)) socket.terminate();
  }
}

/** Resolves when nothing more will come over a socket. */
function closed(socket: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    socket.on('close', () => resolve());
    socket.on('message', (_, isBinary) => {
      if (!isBinary) resolve();
    });
  });
}
