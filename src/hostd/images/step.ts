import { spawn } from 'node:child_process';

export interface StepOptions {
  /** Run as nobody, without a way back: for programs that read what strangers wrote. */
  unprivileged?: boolean;
  /** No file that it writes may grow beyond this. */
  maxBytes: number;
  /** Descriptors for its stdin and stdout; absent: nothing, and what it writes is answered. */
  stdin?: number;
  stdout?: number;
  /** Descriptors that it gets as 3, 4 and so on. */
  files?: number[];
}

/** nobody and nogroup. */
export const nobody = 65_534;
const maxMemory = 2 * 1024 ** 3;
const maxCpuSeconds = 1800;
const outputLimit = 1024 * 1024;

/**
 * Runs a program within limits and answers what it wrote to stdout. Throws with the end of what it wrote to stderr,
 * or the signal, where it does not end with status 0.
 */
export async function step(program: string, args: string[], options: StepOptions): Promise<string> {
  const limits = [
    `--fsize=${options.maxBytes}`,
    `--as=${maxMemory}`,
    `--cpu=${maxCpuSeconds}`,
    '--core=0',
    '--nofile=256',
  ];
  const identity = ['--reuid', String(nobody), '--regid', String(nobody), '--clear-groups'];
  const asNobody = options.unprivileged
    ? ['setpriv', ...identity, '--inh-caps=-all', '--no-new-privs', '--']
    : [];
  const child = spawn('prlimit', [...limits, '--', ...asNobody, program, ...args], {
    stdio: [options.stdin ?? 'ignore', options.stdout ?? 'pipe', 'pipe', ...(options.files ?? [])],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', ZSTD_CLEVEL: '1' },
  });
  let output = '';
  let errors = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    if (output.length < outputLimit) output += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-2000);
  });
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (...end) => resolve(end));
  });
  if (code === 0) return output;
  throw new Error(`${program} ended with ${signal ?? code}: ${errors.trim()}`);
}
