import { spawn } from 'node:child_process';
import { chown, lstat, mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { keyedMutex } from '../mutex.ts';
import { RefusedImage } from './refused.ts';

export interface ConversionLimits {
  /** Of the image at each of its stages. */
  maxBytes: number;
  timeoutMs: number;
}

export interface Converted {
  minDiskGib: number;
  bytes: number;
  /** The operating system, as it calls itself. */
  system: string;
  /** Whether it has cloud-init, which brings keys and user data into a droplet. */
  cloudInit: boolean;
}

export interface Conversions {
  /** Clears away what a hostd that was killed has left. */
  start(): Promise<void>;
  /**
   * Makes of `<exchange>/<name>.download`, which it takes away, `<exchange>/<name>.tar.zst`, which the compute
   * engine can import.
   * @throws RefusedImage for what is wrong with the image
   */
  convert(name: string, limits: ConversionLimits, signal: AbortSignal): Promise<Converted>;
}

/** Conversions are heavy: no more than this at once, whoever asks. */
const atOnce = 2;
const program = join(import.meta.dirname, 'convert.ts');

/**
 * Conversions in a directory of root's own. `exchange` is the control plane's, on the same filesystem: it leaves
 * downloads there, and finds images.
 *
 * A stranger's disk is read in namespaces of its own: without a network, with mounts and loop devices that end
 * with the last process in them, all of which the kernel kills when hostd dies.
 */
export function imageConversions({ exchange, work }: { exchange: string; work: string }): Conversions {
  const exclusive = keyedMutex();
  let started = 0;

  async function convert(name: string, limits: ConversionLimits, signal: AbortSignal): Promise<Converted> {
    const directory = join(work, name);
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { mode: 0o700 });
    try {
      const owner = await stat(exchange);
      await takeSource(join(exchange, `${name}.download`), join(directory, 'source'), owner.uid);
      const converted = await sandboxed(directory, limits, signal);
      const image = join(directory, 'image.tar.zst');
      await chown(image, owner.uid, owner.gid);
      await rename(image, join(exchange, `${name}.tar.zst`));
      return converted;
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  return {
    async start() {
      await rm(work, { recursive: true, force: true });
      await mkdir(work, { recursive: true, mode: 0o700 });
    },
    convert: (name, limits, signal) =>
      // By name: no two conversions of one image at once. By slot: no more at once than the machine can bear.
      exclusive(name, () =>
        exclusive(`slot ${started++ % atOnce}`, () => {
          signal.throwIfAborted();
          return convert(name, limits, signal);
        }),
      ),
  };
}

/** The conversions of a host that reads no stranger's disk: hostd has the last word, whatever it is asked for. */
export const noConversions = (conversions: Conversions): Conversions => ({
  ...conversions,
  convert: () => Promise.reject(new RefusedImage('This host converts no images: that is switched off.')),
});

/** Moves a download out of the reach of the control plane's user. Throws unless it is a file of that user's own. */
async function takeSource(from: string, to: string, uid: number): Promise<void> {
  await rename(from, to);
  const stats = await lstat(to);
  if (!stats.isFile() || stats.nlink !== 1 || stats.uid !== uid)
    throw new Error(`${from} is no file of the control plane's own`);
}

/** Runs the conversion to its end. Kills it, and all it has started, when `signal` aborts or its time is over. */
async function sandboxed(
  directory: string,
  { maxBytes, timeoutMs }: ConversionLimits,
  signal: AbortSignal,
): Promise<Converted> {
  const apart = ['--mount', '--net', '--ipc', '--pid', '--fork', '--kill-child=KILL', '--mount-proc'];
  const child = spawn(
    'setpriv',
    [
      '--pdeathsig',
      'KILL',
      '--',
      'unshare',
      ...apart,
      '--',
      process.execPath,
      program,
      directory,
      String(maxBytes),
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      signal,
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    },
  );
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-10_000);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-2000);
  });
  const [code, killed] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    let failure: Error | undefined;
    child.once('error', (error) => {
      failure = error;
    });
    // Also after an abort: only then is nothing of it left.
    child.once('close', (...end) => (failure ? reject(failure) : resolve(end)));
  });
  if (killed) throw new RefusedImage('Its conversion took too long.');
  if (code !== 0) throw new Error(`the conversion ended with ${code}: ${errors.trim()}`);
  const result = JSON.parse(output) as Converted | { refused: string };
  if ('refused' in result) throw new RefusedImage(result.refused);
  return result;
}
