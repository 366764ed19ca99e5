import { spawn } from 'node:child_process';
import type { Server } from 'node:net';
import { join } from 'node:path';
import type { Message } from './messages.ts';

/** How long the process may take to read a message, and to end, ms: answers under way get 2 s. */
const READ_MS = 10_000;
const END_MS = 3_000;

/** One life of the metadata service's process. */
export interface Process {
  /** Returns when it has been written to it. Throws where it does not read, or has ended. */
  send(message: Message): Promise<void>;
  /** Lets it end in order, which it does by itself when hostd ends. */
  end(): void;
  kill(): void;
  /** How it ended, and the end of what it said of that. */
  ended: Promise<string>;
}

/**
 * Starts it: without a network (the listening socket that it gets is one of the host's), without capabilities but
 * those to read its code and to give up being root, and without files and programs as far as Node can refuse them.
 * Of what it says only the marks are heard, by `onMark`: it may be a tenant's by then.
 */
export function startProcess(listener: Server, onMark: (mark: number) => void): Process {
  const checkout = join(import.meta.dirname, '../../..');
  const readable = ['src/*', 'package.json'].map((path) => `--allow-fs-read=${join(checkout, path)}`);
  const capabilities = '--bounding-set=-all,+setuid,+setgid,+dac_read_search';
  const apart = ['--net', '--ipc', '--', 'setpriv', '--no-new-privs', '--inh-caps=-all', capabilities, '--'];
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--permission', ...readable];
  const child = spawn('unshare', [...apart, ...node, join(import.meta.dirname, 'main.ts')], {
    cwd: '/',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    stdio: ['pipe', 'pipe', 'pipe', descriptorOf(listener)],
  });

  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-2000);
  });
  let unread = '';
  child.stdout?.setEncoding('latin1').on('data', (text: string) => {
    const lines = (unread + text).split('\n');
    unread = lines.pop()?.slice(0, 20) ?? '';
    for (const line of lines) if (/^\d{1,15}$/.test(line)) onMark(Number(line));
  });
  // Whoever writes is told by the callback.
  child.stdin?.on('error', () => {});

  return {
    send: (message) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error('the metadata service does not read')), READ_MS);
        child.stdin?.write(`${JSON.stringify(message)}\n`, (error) => {
          clearTimeout(late);
          if (error) reject(error);
          else resolve();
        });
      }),
    end() {
      child.stdin?.end();
      setTimeout(() => child.kill('SIGKILL'), END_MS).unref();
    },
    kill: () => void child.kill('SIGKILL'),
    ended: new Promise((resolve) => {
      child.once('error', (error) => (errors += error.message));
      child.once('close', (code, signal) => resolve(`${signal ?? code} ${errors}`.trim()));
    }),
  };
}

/** Node has no public name for the descriptor of a server. */
function descriptorOf(listener: Server): number {
  const handle: unknown = Reflect.get(listener, '_handle');
  const fd: unknown = handle instanceof Object && Reflect.get(handle, 'fd');
  if (typeof fd !== 'number') throw new Error('the listening socket has no descriptor');
  return fd;
}
