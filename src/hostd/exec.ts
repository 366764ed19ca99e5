import { execFile } from 'node:child_process';

const TIMEOUT_MS = 20_000;
/** Where Debian keeps `ip` and `nft`; a root process does not search the caller's PATH. */
const SYSTEM_PATH = '/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Runs a program without a shell and answers what it wrote to stdout. Throws with what it wrote to stderr when
 * it ends with another status than 0 or takes longer than `timeoutMs` (0: as long as it likes).
 */
export function run(
  program: string,
  args: string[],
  { input = '', timeoutMs = TIMEOUT_MS }: { input?: string; timeoutMs?: number } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      timeout: timeoutMs,
      maxBuffer: 64 * 1024 * 1024,
      env: { PATH: SYSTEM_PATH, LC_ALL: 'C' },
    };
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      const reason = stderr.trim().slice(0, 2000) || error.message;
      reject(new Error(`${program} ${args.join(' ')}: ${reason}`, { cause: error }));
    });
    // A program that ends without reading its input says why by its status; the broken pipe adds nothing.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}
