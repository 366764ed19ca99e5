import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { paths } from '../config.ts';

/** Where root's Atolls are known to each other, so that the last one to go cleans up what they shared. */
export const registryDirectory = '/var/lib/atoll-homes';

/** What Atolls changed on the machine as a whole, and how to undo it. */
export interface Shared {
  /** Values before the first Atoll raised them, by sysctl. */
  sysctls: Record<string, number>;
  /** The lxcfs that an Atoll started. */
  lxcfsPid?: number;
}

/** The homes on this machine, by id. A home that is gone without `destroy` no longer counts. */
export function knownHomes(directory = registryDirectory): Map<string, string> {
  const homes = new Map<string, string>();
  for (const id of existsSync(directory) ? readdirSync(directory) : []) {
    if (!/^[0-9a-f]{4}$/.test(id)) continue;
    const home = readFileSync(join(directory, id), 'utf8').trim();
    if (existsSync(paths(home).config)) homes.set(id, home);
  }
  return homes;
}

export function registerHome(id: string, home: string, directory = registryDirectory): void {
  mkdirSync(directory, { recursive: true });
  writeFileAtomically(join(directory, id), `${home}\n`);
}

export function unregisterHome(id: string, directory = registryDirectory): void {
  rmSync(join(directory, id), { force: true });
}

const sharedFile = (directory: string) => join(directory, 'shared.json');

export function readShared(directory = registryDirectory): Shared {
  const file = sharedFile(directory);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Shared) : { sysctls: {} };
}

/** Adds what was just changed; the value before the first change is the one that is kept. */
export function recordShared(change: Partial<Shared>, directory = registryDirectory): void {
  const before = readShared(directory);
  const after = { ...before, ...change, sysctls: { ...change.sysctls, ...before.sysctls } };
  mkdirSync(directory, { recursive: true });
  writeFileAtomically(sharedFile(directory), `${JSON.stringify(after, undefined, 2)}\n`);
}

/** Writes beside the file and renames: whoever reads it finds the old text or the new one, whole. */
export function writeFileAtomically(file: string, text: string, mode = 0o644): void {
  const unfinished = `${file}.new`;
  rmSync(unfinished, { force: true });
  writeFileSync(unfinished, text, { mode, flush: true });
  renameSync(unfinished, file);
}
