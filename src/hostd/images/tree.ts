/** Finding one's way in a tree that a stranger made: its symbolic links lead nowhere but within. */
import { lstat, open, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { RefusedImage } from './refused.ts';

const mostLinks = 40;

/**
 * Where a path leads in a tree, all its links followed as if the tree were the whole filesystem: relative to the
 * tree. Undefined where it leads to nothing.
 */
export async function resolveIn(root: string, path: string): Promise<string | undefined> {
  const rest = path.split('/').filter(Boolean);
  let resolved: string[] = [];
  let links = 0;
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === '.') continue;
    if (name === '..') {
      resolved.pop();
      continue;
    }
    const here = join(root, ...resolved, name);
    const stats = await lstat(here).catch(() => undefined);
    if (!stats) return undefined;
    if (!stats.isSymbolicLink()) {
      resolved.push(name);
      continue;
    }
    if (++links > mostLinks) return undefined;
    const target = await readlink(here);
    if (target.startsWith('/')) resolved = [];
    rest.unshift(...target.split('/').filter(Boolean));
  }
  return resolved.join('/');
}

/** Where a file that may not be there yet has its place: its directory resolved as far as it is there. */
export async function placeIn(root: string, path: string): Promise<string> {
  const names = path.split('/').filter(Boolean);
  const absent: string[] = [];
  for (let name = names.pop(); name !== undefined; name = names.pop()) {
    absent.unshift(name);
    const directory = await resolveIn(root, names.join('/'));
    if (directory !== undefined) return [directory, ...absent].filter(Boolean).join('/');
  }
  return absent.join('/');
}

async function fileIn(root: string, path: string): Promise<string | undefined> {
  const resolved = await resolveIn(root, path);
  if (resolved === undefined) return undefined;
  const file = join(root, resolved);
  return (await lstat(file)).isFile() ? file : undefined;
}

export interface OperatingSystem {
  /** As it calls itself: `Debian GNU/Linux 12 (bookworm)`. */
  name: string;
}

/** An os-release is some hundred bytes; no more is read of it. */
const mostOsRelease = 64 * 1024;

/**
 * The operating system in a tree: it has an os-release and an init; undefined where it has not.
 * @throws RefusedImage for one that is made for another processor
 */
export async function systemIn(root: string): Promise<OperatingSystem | undefined> {
  const release = (await fileIn(root, 'etc/os-release')) ?? (await fileIn(root, 'usr/lib/os-release'));
  const init = (await fileIn(root, 'sbin/init')) ?? (await fileIn(root, 'usr/lib/systemd/systemd'));
  if (release === undefined || init === undefined) return undefined;
  await checkProcessor(init);
  if ((await lstat(release)).size > mostOsRelease) return undefined;
  const text = await readFile(release, 'utf8');
  const name = /^PRETTY_NAME=(?:"(?<quoted>[^"\n]*)"|(?<bare>[^"\n]*))$/m.exec(text)?.groups;
  return { name: name?.quoted ?? name?.bare ?? 'Linux' };
}

/** ELF's numbers for the processors that Node runs on here. */
const machines: Record<string, number> = { x64: 62, arm64: 183 };

async function checkProcessor(program: string): Promise<void> {
  const handle = await open(program);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(20), 0, 20, 0);
    // A script is for any processor.
    if (bytesRead < 20 || buffer.toString('latin1', 0, 4) !== '\x7fELF') return;
    if (buffer.readUInt16LE(18) !== machines[process.arch])
      throw new RefusedImage(`Its operating system is made for another processor than this host's.`);
  } finally {
    await handle.close();
  }
}
