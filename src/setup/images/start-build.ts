/** Starts builds of images: one at a time on a machine, whoever asks. */
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type BuiltImage, newestBuild, noteUse, recipeHere } from './cache.ts';
import type { RecipeName } from './recipe.ts';

/** A build failed. */
export class BuildFailed extends Error {
  override readonly name = 'BuildFailed';
  /** By what the mirror has, or does not; else the fault is ours. */
  readonly outside: boolean;
  constructor(message: string, outside: boolean) {
    super(message);
    this.outside = outside;
  }
}

export interface BuildOptions {
  /** The directory of the images. */
  cacheDir: string;
  /** There is one, this build, and another is wanted. */
  instead?: string | undefined;
  /** Gives way to all else on the machine. */
  niced?: boolean;
  /** Kills it, and all it has started. */
  signal?: AbortSignal;
  /** What it is busy with, for a person. */
  step?: (doing: string) => void;
}

interface Line {
  step?: string;
  built?: Omit<BuiltImage, 'builtAt'> & { builtAt: string };
  updates?: string[];
  failed?: string;
  outside?: boolean;
}

const program = join(import.meta.dirname, 'build-process.ts');

/**
 * The image of a recipe: the one in the cache, or a new one. While another build is under way on this machine, it waits
 * for that.
 * @throws BuildFailed
 */
export async function builtImage(name: RecipeName, options: BuildOptions): Promise<BuiltImage> {
  const { cacheDir, instead, step } = options;
  await mkdir(cacheDir, { recursive: true, mode: 0o755 });
  const there = await newestBuild(recipeHere(name), cacheDir);
  if (there && there.digest !== instead) {
    await noteUse(there.file, new Date());
    return there;
  }
  step?.('waiting for another build on this machine');
  const { built } = await apart(['build', name, cacheDir, instead ?? ''], options);
  if (!built) throw new BuildFailed('the build has told nothing', false);
  return { ...built, builtAt: new Date(built.builtAt) };
}

/**
 * What the mirror has newer than a built image.
 * @throws BuildFailed
 */
export async function imageUpdates(
  name: RecipeName,
  { file }: Pick<BuiltImage, 'file'>,
  options: BuildOptions,
): Promise<string[]> {
  return (await apart(['updates', name, options.cacheDir, file], options)).updates ?? [];
}

/**
 * Runs the program under the lock of the cache, in namespaces of its own: the kernel takes away all its processes and
 * mounts when whoever started it dies. The lock is the kernel's, too (flock(2)): it ends with the last process.
 */
async function apart(args: string[], { cacheDir, niced, signal, step }: BuildOptions): Promise<Line> {
  const namespaces = ['--mount', '--pid', '--fork', '--kill-child=KILL', '--mount-proc'];
  const lock = ['flock', '--no-fork', '--exclusive', join(cacheDir, '.lock')];
  const gentle = niced ? ['nice', '-n', '19', 'ionice', '-c', '3', '-t'] : [];
  const command = [...lock, ...gentle, process.execPath, program, ...args];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'unshare', ...namespaces, '--', ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal && { signal }),
    killSignal: 'SIGKILL',
  });
  let last: Line = {};
  createInterface(child.stdout).on('line', (text) => {
    const line = JSON.parse(text) as Line;
    if (line.step !== undefined) step?.(line.step);
    else last = line;
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-2000);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    let failure: Error | undefined;
    child.once('error', (error) => {
      failure = error;
    });
    // Also after an abort: only then is nothing of it left.
    child.once('close', (end) => (failure ? reject(failure) : resolve(end)));
  });
  if (last.failed !== undefined) throw new BuildFailed(last.failed, last.outside ?? false);
  if (code !== 0) throw new BuildFailed(`the build ended with ${code}: ${errors.trim()}`, false);
  return last;
}

/** Those of an older version may have left mounts, of the host's /dev among them: what is mounted is not for removal. */
const removal = `cd "$1" && here=$(pwd -P) && tac /proc/self/mounts | while read -r _ at _; do
  case "$at" in "$here"/.build-*|"$here"/.updates-*) umount "$at" || exit 1;; esac
done && rm -rf --one-file-system .build-* .updates-*`;

/** Removes what builds have left that were killed, unless another one is under way: that one has seen to it. */
export async function clearAbandoned(cacheDir: string): Promise<void> {
  const child = spawn('flock', ['--nonblock', join(cacheDir, '.lock'), 'sh', '-c', removal, 'sh', cacheDir], {
    stdio: 'ignore',
  });
  await new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('close', () => resolve());
  });
}

/** What a person is told of a failed build: the line of it that tells most, the first that APT marks as an error. */
export function gistOf(message: string): string {
  const lines = message.split('\n');
  return (lines.find((line) => line.startsWith('E: ')) ?? lines[0] ?? '').trim();
}
