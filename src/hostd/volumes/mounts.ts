import { readdir, readFile, readlink } from 'node:fs/promises';
import { unescapePath } from '../../setup/mountinfo.ts';

/** A place where the filesystem of a loop device is mounted, in whatever mount namespace. */
export interface Mount {
  /** As this process reaches it. A machine may have put something else on the way there: look from inside. */
  directory: string;
  /** `7:3` */
  device: string;
  /** `ext4` */
  type: string;
}

/** The mounts of all loop devices on this machine, one for each, by the devices' paths (`/dev/loop3`). */
export async function loopMounts(): Promise<Map<string, Mount>> {
  const found = new Map<string, Mount>();
  const names = await deviceNames();
  const ofLoops = (mounts: string) =>
    mounts
      .split('\n')
      .map((line) => line.split(' '))
      .filter(([, , device = '']) => names.has(device));
  for (const pids of (await processesByNamespace()).values()) {
    if (ofLoops(await mountsOf(pids)).length === 0) continue;
    const pid = await eldest(pids);
    // Paths are as that process sees them: others may have another root.
    for (const [, , device = '', , path = '', ...rest] of ofLoops(await mountsOf([pid]))) {
      const name = names.get(device) ?? '';
      const type = rest[rest.indexOf('-') + 1] ?? '';
      if (!found.has(name))
        found.set(name, { directory: `/proc/${pid}/root${unescapePath(path)}`, device, type });
    }
  }
  return found;
}

/** The paths of loop devices by their numbers. */
async function deviceNames(): Promise<Map<string, string>> {
  const names = (await readdir('/sys/block')).filter((name) => name.startsWith('loop'));
  const number = async (name: string) =>
    (await readFile(`/sys/block/${name}/dev`, 'utf8').catch(gone)).trim();
  const pairs = names.map(async (name) => [await number(name), `/dev/${name}`] as const);
  return new Map((await Promise.all(pairs)).filter(([device]) => device !== ''));
}

/** The processes in each mount namespace of this machine. */
async function processesByNamespace(): Promise<Map<string, string[]>> {
  const processes = new Map<string, string[]>();
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const namespace = await readlink(`/proc/${pid}/ns/mnt`).catch(gone);
    if (!namespace) continue;
    const pids = processes.get(namespace);
    if (pids) pids.push(pid);
    else processes.set(namespace, [pid]);
  }
  return processes;
}

/** What one of the processes, which share a namespace, has mounted. */
async function mountsOf(pids: string[]): Promise<string> {
  for (const pid of pids) {
    const mounts = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(gone);
    if (mounts) return mounts;
  }
  return '';
}

/** The process that began first: the least likely to end before its namespace does. */
async function eldest(pids: string[]): Promise<string> {
  const begun = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(gone);
      // proc(5): field 22; what precedes the bracket, field 2, may hold anything.
      const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
      return { pid, ticks: Number(ticks ?? Number.POSITIVE_INFINITY) };
    }),
  );
  return begun.reduce((first, each) => (each.ticks < first.ticks ? each : first)).pid;
}

/** For a process, or a device, that is gone meanwhile. */
const gone = () => '';
