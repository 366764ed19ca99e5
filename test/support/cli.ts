/** The launcher as a person types it, for tests of the whole. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';

export interface CliResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface Code {
  launcher: string;
  env: Record<string, string>;
}

/** That of this checkout. */
export const thisCode: Code = { launcher: join(import.meta.dirname, '../../atoll'), env: {} };

/** Runs `./atoll ARGS --home HOME` and waits for its end. Never throws for an exit code. */
export function atollCli(home: string, code = thisCode) {
  return (...args: string[]): Promise<CliResult> =>
    new Promise((resolve) => {
      const env = { ...process.env, ...code.env, ATOLL_HOME: home };
      const options = { env, timeout: 540_000, maxBuffer: 16 << 20 };
      execFile(code.launcher, args, options, (error, stdout, stderr) => {
        const exit = error ? (typeof error.code === 'number' ? error.code : 1) : 0;
        resolve({ code: exit, stdout, stderr });
      });
    });
}

/** As `atollCli`, and throws with all that was printed unless the command succeeds. */
export function mustAtoll(home: string, which = thisCode) {
  const cli = atollCli(home, which);
  return async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await cli(...args);
    if (code !== 0) throw new Error(`atoll ${args.join(' ')} ended with ${code}:\n${stdout}\n${stderr}`);
    return stdout;
  };
}
