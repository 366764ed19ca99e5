import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What many containers on one kernel need; the kernel's defaults are made for a desktop. All unprivileged
 * containers without isolated ids count as one user. Source: Incus, "Server settings for production".
 */
const minimums: { name: string; value: number; essential: boolean }[] = [
  { name: 'fs.inotify.max_user_instances', value: 8192, essential: true },
  { name: 'fs.inotify.max_user_watches', value: 200_000, essential: false },
  { name: 'kernel.keys.maxkeys', value: 20_000, essential: false },
  { name: 'kernel.keys.maxbytes', value: 2_000_000, essential: false },
  { name: 'net.ipv4.ip_forward', value: 1, essential: true },
  { name: 'net.ipv6.conf.all.forwarding', value: 1, essential: false },
];

/** Values that sysctls had before they were raised, by name. */
export type PreviousSysctls = Record<string, number>;

/**
 * Raises the sysctls that are too low and answers what those were before. Throws where one that Atoll cannot do
 * without cannot be raised; `log` tells of the others.
 */
export function ensureSysctls(log: (line: string) => void, root = '/proc/sys'): PreviousSysctls {
  const previous: PreviousSysctls = {};
  for (const { name, value, essential } of minimums) {
    const before = readSysctl(root, name);
    // Absent: the kernel is built without it (IPv6, keys) and sets no limit.
    if (before === undefined || before >= value) continue;
    try {
      writeFileSync(fileOf(root, name), `${value}\n`);
      previous[name] = before;
      log(`${name}: ${before} -> ${value}`);
    } catch (cause) {
      const message = `${name} is ${before} and cannot be raised: run sysctl -w ${name}=${value} where you can`;
      if (essential) throw new Error(message, { cause });
      log(message);
    }
  }
  return previous;
}

/**
 * Puts back what `ensureSysctls` has changed; a value that somebody else has changed since is left alone.
 * Never throws: `log` tells what could not be written.
 */
export function restoreSysctls(
  previous: PreviousSysctls,
  log: (line: string) => void,
  root = '/proc/sys',
): void {
  for (const { name, value } of minimums) {
    const before = previous[name];
    if (before === undefined || readSysctl(root, name) !== value) continue;
    try {
      writeFileSync(fileOf(root, name), `${before}\n`);
      log(`${name}: ${value} -> ${before}`);
    } catch (error) {
      log(`${name} could not be put back to ${before}: ${String(error)}`);
    }
  }
}

/** A range of subordinate ids that isolated containers of 65536 ids each fit into by the thousand. */
const subids = { start: 1_000_000, count: 1_000_000_000 };

/** Gives root subordinate user and group ids where it has no range that large. */
export function ensureSubids(
  log: (line: string) => void,
  files: readonly string[] = ['/etc/subuid', '/etc/subgid'],
): { changed: boolean } {
  let changed = false;
  for (const file of files) {
    const text = readText(file) ?? '';
    if (hasRange(text)) continue;
    const line = `root:${subids.start}:${subids.count}\n`;
    writeFileSync(file, text === '' || text.endsWith('\n') ? text + line : `${text}\n${line}`);
    log(`${file}: ${line.trim()}`);
    changed = true;
  }
  return { changed };
}

function hasRange(text: string): boolean {
  return text.split('\n').some((line) => {
    const [user, , count] = line.split(':');
    return (user === 'root' || user === '0') && Number(count) >= subids.count;
  });
}

function readSysctl(root: string, name: string): number | undefined {
  const text = readText(fileOf(root, name));
  return text === undefined ? undefined : Number(text.trim());
}

function fileOf(root: string, name: string): string {
  return join(root, ...name.split('.'));
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
