import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface RunOptions {
  /** Written to standard input. */
  input?: string;
  /** Added to the environment of this process. */
  env?: Record<string, string>;
  cwd?: string;
  /** The command is killed after this time, in ms. */
  timeoutMs?: number;
  /** Called with every line of standard error as it comes. */
  onLine?: (line: string) => void;
}

/** A command could not be started, failed, or took too long. */
export class CommandError extends Error {
  readonly exitCode: number | null;
  constructor(message: string, exitCode: number | null, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}

/**
 * Runs a program to its end. Throws CommandError with the command's name and the tail of its standard error
 * where it cannot be started, does not exit with 0, or is not done within `timeoutMs`.
 */
export async function run(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<{ stdout: string; stderr: string }> {
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs,
    killSignal: 'SIGKILL',
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  if (options.onLine) createInterface(child.stderr).on('line', options.onLine);
  // A program may end without reading its input; its exit code tells more than the broken pipe.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');

  const name = [file, ...args.slice(0, 2)].join(' ');
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', (cause) => reject(new CommandError(`${name}: ${cause.message}`, null, { cause })));
    child.once('close', (...end) => resolve(end));
  });
  if (code === 0) return output;
  const how = signal ? `ended by ${signal}` : `exit code ${code}`;
  throw new CommandError(`${name}: ${how}: ${output.stderr.trim().slice(-2000)}`, code);
}
