import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { run } from './command.ts';
import { until } from './daemon.ts';
import { mountsBelow } from './mounts-below.ts';

type Log = (line: string) => void;

/**
 * Removes what an incusd that is gone has left on this machine: the containers' processes, bridges with their
 * dnsmasq, packet filter chains, mounts and loop devices. Finds them by the daemon's directory and by the
 * bridges' names, so that nothing of another Incus is touched. Nothing left is fine.
 */
export async function removeByPath(
  { dir, bridgePrefix }: { dir: string; bridgePrefix: string },
  log: Log,
): Promise<void> {
  // First, while the interfaces are there that tell whose the chains are.
  await removeChains(bridgePrefix, log);
  await endProcesses(dir, log);
  await removeBridges(bridgePrefix, log);
  await unmountBelow(dir, log);
  await detachLoops(dir, log);
}

/** Containers (a monitor names the directory, its descendants are the container) and dnsmasq. */
async function endProcesses(dir: string, log: Log): Promise<void> {
  const processes = listProcesses();
  const ours = new Set<number>();
  const containers: string[] = [];
  for (const { pid, command } of processes) {
    const isMonitor = command.startsWith(`[lxc monitor] ${dir}/containers `);
    if (isMonitor) containers.push(cgroupName(pid));
    const isDnsmasq = command.startsWith('dnsmasq ') && command.includes(`=${dir}/networks/`);
    if (isMonitor || isDnsmasq) ours.add(pid);
  }
  // The init of a container is the monitor's child; the kernel ends the rest of its namespace with it.
  for (const { pid, parent } of processes) if (ours.has(parent)) ours.add(pid);
  for (const pid of [...ours].toReversed()) end(pid);
  if (ours.size === 0) return;
  await until(() => listProcesses().every(({ pid, command }) => !ours.has(pid) || command === ''), {
    timeoutMs: 10_000,
  });
  // A control group stays until the kernel has ended what was left in it.
  await until(() => removeCgroups(containers), { timeoutMs: 10_000 });
  log(`${ours.size} processes ended`);
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** What LXC calls a container's control groups: its name, with a number where that was taken. */
function cgroupName(monitor: number): string {
  const text = readFileSync(`/proc/${monitor}/cgroup`, 'utf8');
  return /\/lxc\.monitor\.([^/\n]+)$/m.exec(text)?.[1] ?? '';
}

/** Removes the control groups of these containers, in all hierarchies; answers whether none is left. */
function removeCgroups(containers: string[]): boolean {
  const root = '/sys/fs/cgroup';
  const hierarchies = [root, ...directoriesIn(root).map((name) => `${root}/${name}`)];
  const groups = hierarchies.flatMap((hierarchy) =>
    containers.flatMap((name) => [`${hierarchy}/lxc.monitor.${name}`, `${hierarchy}/lxc.payload.${name}`]),
  );
  for (const group of groups) removeTree(group);
  return !groups.some((group) => existsSync(group));
}

/** A control group's files cannot be removed, nor need they be. */
function removeTree(cgroup: string): void {
  for (const name of directoriesIn(cgroup)) removeTree(`${cgroup}/${name}`);
  try {
    rmdirSync(cgroup);
  } catch {
    // Absent, or another container of this name lives in it.
  }
}

function directoriesIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? entry.name : [],
    );
  } catch {
    return [];
  }
}

/** All processes; a zombie's command is empty. */
function listProcesses(): { pid: number; parent: number; command: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
      // After the name in parentheses, which may hold anything: state, parent.
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      return [{ pid: Number(name), parent, command }];
    } catch {
      return [];
    }
  });
}

async function removeBridges(prefix: string, log: Log): Promise<void> {
  for (const name of await bridgeNames(prefix)) {
    // The kernel takes its time to remove the interfaces of a network namespace that has ended.
    for (const port of await interfaceNames('master', name))
      await run('ip', ['link', 'delete', port]).catch(() => {});
    await run('ip', ['link', 'delete', name]);
    log(`bridge ${name} removed`);
  }
}

async function bridgeNames(prefix: string): Promise<string[]> {
  return (await interfaceNames('type', 'bridge')).filter((name) => name.startsWith(prefix));
}

/** The names of this machine's network interfaces, of all or of those that `ip link show` is told to filter. */
async function interfaceNames(...filter: string[]): Promise<string[]> {
  const { stdout } = await run('ip', ['-j', 'link', 'show', ...filter]);
  const links: { ifname?: string }[] = JSON.parse(stdout || '[]');
  return links.flatMap(({ ifname }) => ifname ?? []);
}

/** An entry of `nft -j list`. */
interface NftObject {
  chain?: { name: string };
  rule?: { chain: string };
}

/** The packet filter's chains of a home. All Incus daemons of a machine share the tables `inet incus` and `bridge incus`. */
export async function removeChains(prefix: string, log: Log): Promise<void> {
  const ports: string[] = [];
  for (const bridge of await bridgeNames(prefix)) ports.push(...(await interfaceNames('master', bridge)));
  for (const family of ['inet', 'bridge']) {
    const listed = await run('nft', ['-j', 'list', 'table', family, 'incus']).catch(() => undefined);
    if (!listed) continue;
    const { nftables }: { nftables: NftObject[] } = JSON.parse(listed.stdout);
    const ours = chainsOf(nftables, { prefix, ports });
    if (ours.length === 0) continue;
    await run('nft', ['-f', '-'], {
      input: ours.map((name) => `delete chain ${family} incus ${name}\n`).join(''),
    });
    log(`packet filter: ${ours.join(' ')} removed`);
  }
}

/**
 * A network's chains end with its name (`fwd.at12abpub`). A NIC's have the instance's name in the middle, which begins with
 * our prefix (`in.at12ab-droplet-5.eth0`), also where an incusd that was killed has left them behind without an interface;
 * those of an instance with another name are ours where their rules name `ports`, the interfaces attached to our networks.
 */
export function chainsOf(
  objects: NftObject[],
  { prefix, ports }: { prefix: string; ports: string[] },
): string[] {
  const isOurs = (name: string) => {
    const [, subject = '', nic] = name.split('.');
    if (nic === undefined && subject.startsWith(prefix)) return true;
    if (subject.startsWith(`${prefix}-`) || subject.startsWith(`${prefix}n-`)) return true;
    const rules = objects.filter(({ rule }) => rule?.chain === name);
    const named = [...JSON.stringify(rules).matchAll(/"right":"(veth[^"]*)"/g)].map(
      (match) => match[1] ?? '',
    );
    return named.length > 0 && named.every((each) => ports.includes(each));
  };
  return objects.flatMap(({ chain }) => (chain && isOurs(chain.name) ? chain.name : []));
}

/** Innermost first; lazily, since a process that is about to end may still hold one. */
async function unmountBelow(dir: string, log: Log): Promise<void> {
  for (const target of mountsBelow(dir).toReversed()) {
    await run('umount', ['-l', target]);
    log(`${target} unmounted`);
  }
}

/** Detaches the loop devices of the files below `dir`. Throws where one is in use after 10 s. */
export async function detachLoops(dir: string, log: Log): Promise<void> {
  const ours = () => readdirSync('/sys/block').filter((name) => backingFile(name)?.startsWith(`${dir}/`));
  for (const name of ours()) {
    log(`/dev/${name} (${backingFile(name)}) detached`);
    await run('losetup', ['-d', `/dev/${name}`]);
  }
  // Detached once the last file of the unmounted file system is closed.
  if (!(await until(() => ours().length === 0, { timeoutMs: 10_000 })))
    throw new Error(`Loop devices are still in use: ${ours().join(' ')}. Run losetup -d on them later.`);
}

/** The file behind a block device, if that is a loop device in use. */
function backingFile(name: string): string | undefined {
  try {
    return readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
