import { existsSync, readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { arch, availableParallelism, totalmem } from 'node:os';
import { run } from './command.ts';
import { isLxcfsServing } from './lxcfs.ts';
import { osRelease } from './os-release.ts';
import { isSupported, missingPackages } from './packages.ts';
import { hasSimpleQuotas } from './pool-quotas.ts';

/** Something that this host can or cannot do. */
export interface Finding {
  name: string;
  ok: boolean;
  detail: string;
  /** What to do about it where it is not ok. */
  remedy?: string;
}

/** Bits of the capability sets, from linux/capability.h. */
const capabilities: Record<string, number> = {
  CAP_NET_ADMIN: 12,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_RESOURCE: 24,
  CAP_MKNOD: 27,
};

/**
 * What this host can do for real mode; changes nothing. `port` is where the API would listen, `directory` the
 * file system that the home would lie on.
 */
export async function probeHost({ port = 8080, directory = '/var/lib' } = {}): Promise<Finding[]> {
  return [
    root(),
    system(),
    architecture(),
    await packages(),
    heldCapabilities(),
    cgroups(),
    systemd(),
    loopDevices(),
    fileSystem('btrfs', 'the storage pool'),
    diskLimits(hasSimpleQuotas(), readText('/proc/sys/kernel/osrelease').trim()),
    await nftables(),
    bridgeFilter(),
    lxcfs(),
    droplets(),
    systemIncus(),
    memory(),
    await diskSpace(directory),
    await freePort(port),
  ];
}

function root(): Finding {
  const ok = process.getuid?.() === 0;
  return ok
    ? { name: 'root', ok, detail: 'yes' }
    : { name: 'root', ok, detail: 'no', remedy: 'real mode: sudo ./atoll up; simulated mode needs no root' };
}

function system(): Finding {
  const release = osRelease();
  const ok = isSupported(release);
  return { name: 'system', ok, detail: release.name, remedy: 'real mode is made for Debian 12 and 13' };
}

function architecture(): Finding {
  const ok = arch() === 'x64' || arch() === 'arm64';
  return { name: 'architecture', ok, detail: arch(), remedy: 'use an amd64 or arm64 machine' };
}

async function packages(): Promise<Finding> {
  const name = 'packages';
  try {
    const missing = await missingPackages();
    const detail = missing.length === 0 ? 'all there' : `missing: ${missing.join(' ')}`;
    return { name, ok: missing.length === 0, detail, remedy: './atoll up installs them' };
  } catch {
    return { name, ok: false, detail: 'no dpkg', remedy: 'real mode is made for Debian 12 and 13' };
  }
}

function heldCapabilities(): Finding {
  const missing = missingCapabilities(readText('/proc/self/status'));
  if (missing.length === 0) return { name: 'capabilities', ok: true, detail: 'all that are needed' };
  // Without it, raw.lxc drops it for droplets as well: only raising limits above the hard ones is lost.
  const harmless = missing.every((capability) => capability === 'CAP_SYS_RESOURCE');
  const detail = `without ${missing.join(' ')}${harmless ? ': droplets go without it, too' : ''}`;
  return { name: 'capabilities', ok: harmless, detail, remedy: 'run on a machine or VM with a full root' };
}

/** Those of `capabilities` that are not in the effective set of a /proc/PID/status. */
export function missingCapabilities(status: string): string[] {
  const set = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return Object.keys(capabilities).filter((name) => !((set >> BigInt(capabilities[name] ?? 0)) & 1n));
}

function cgroups(): Finding {
  const name = 'cgroups';
  if (existsSync('/sys/fs/cgroup/cgroup.controllers')) return { name, ok: true, detail: 'v2' };
  if (existsSync('/sys/fs/cgroup/memory'))
    return { name, ok: true, detail: 'v1: works; nested containers in droplets cannot be limited' };
  return { name, ok: false, detail: 'not mounted', remedy: 'boot with systemd, or mount /sys/fs/cgroup' };
}

function systemd(): Finding {
  const runs = existsSync('/run/systemd/system');
  return {
    name: 'systemd',
    ok: true,
    detail: runs ? 'runs' : 'does not run: Atoll starts its daemons itself',
  };
}

function loopDevices(): Finding {
  const ok = existsSync('/dev/loop-control');
  return { name: 'loop devices', ok, detail: ok ? 'there' : 'absent', remedy: 'modprobe loop' };
}

function fileSystem(type: string, purpose: string): Finding {
  const known = new RegExp(`\\b${type}$`, 'm').test(readText('/proc/filesystems'));
  // As a module it is listed only once it is loaded.
  const release = readText('/proc/sys/kernel/osrelease').trim();
  const loadable = readText(`/lib/modules/${release}/modules.dep`).includes(`/${type}.ko`);
  const detail = known ? 'in the kernel' : loadable ? 'a module, loaded on demand' : 'not in this kernel';
  const remedy = `${purpose} needs it: install Debian's own kernel`;
  return { name: type, ok: known || loadable, detail, remedy };
}

async function nftables(): Promise<Finding> {
  const name = 'nftables';
  try {
    // --check has the kernel verify the ruleset and applies nothing.
    const input = 'table inet atoll_probe {\n chain c {\n type nat hook prerouting priority dstnat;\n }\n}\n';
    await run('nft', ['--check', '-f', '-'], { input, timeoutMs: 10_000 });
    return { name, ok: true, detail: 'works, with NAT' };
  } catch (error) {
    const remedy = 'needs root, the nftables package and a kernel with NF_TABLES and NAT';
    return { name, ok: false, detail: String(error).slice(0, 200), remedy };
  }
}

function bridgeFilter(): Finding {
  const value = readText('/proc/sys/net/bridge/bridge-nf-call-iptables').trim();
  // What droplets on one bridge send to each other passes the host's packet filter where it is on. Nothing needs that.
  const detail =
    value === '1' ? 'on' : value === '0' ? 'off: nothing needs it' : 'not loaded: nothing needs it';
  return { name: 'br_netfilter', ok: true, detail };
}

function lxcfs(): Finding {
  const fuse = existsSync('/dev/fuse');
  if (isLxcfsServing()) return { name: 'lxcfs', ok: true, detail: 'runs' };
  const detail = fuse ? 'not started: ./atoll up does it' : 'cannot run: no /dev/fuse';
  return { name: 'lxcfs', ok: fuse, detail, remedy: 'modprobe fuse' };
}

/** Nothing that this host could do would change it: /dev/kvm is not looked for. */
function droplets(): Finding {
  return { name: 'droplets', ok: true, detail: 'system containers; virtual machines are not built' };
}

/** `simple` is whether the running kernel has simple quotas; undefined while btrfs is not loaded. */
export function diskLimits(simple: boolean | undefined, release: string): Finding {
  const name = 'disk limits';
  const [major = 0, minor = 0] = release.split('.').map((part) => Number.parseInt(part, 10));
  if (simple ?? (major > 6 || (major === 6 && minor >= 7)))
    return { name, ok: true, detail: 'simple quotas' };
  const detail = `quota groups (simple quotas need Linux 6.7, this is ${release}): deletions cost CPU time`;
  return { name, ok: true, detail };
}

function systemIncus(): Finding {
  const socket = ['/run/incus/unix.socket', '/var/lib/incus/unix.socket'].find((file) => existsSync(file));
  const detail = socket ? `there (${socket}), left alone` : 'none';
  return { name: 'system Incus', ok: true, detail };
}

function memory(): Finding {
  const gib = totalmem() / 2 ** 30;
  const detail = `${gib.toFixed(1)} GiB, ${availableParallelism()} processors`;
  return { name: 'memory', ok: gib >= 1.5, detail, remedy: 'Atoll itself takes about 0.6 GiB' };
}

async function diskSpace(directory: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(directory);
  const gib = (bavail * bsize) / 2 ** 30;
  const remedy = 'images and the first droplets take 5 GiB: choose a home with more room (--home)';
  return { name: 'disk', ok: gib >= 5, detail: `${gib.toFixed(0)} GiB free at ${directory}`, remedy };
}

async function freePort(port: number): Promise<Finding> {
  const name = `port ${port}`;
  const server = createServer();
  const error = await new Promise<Error | undefined>((resolve) => {
    server.once('error', resolve);
    server.listen(port, '127.0.0.1', () => resolve(undefined));
  });
  if (error)
    return { name, ok: false, detail: 'in use (perhaps by Atoll)', remedy: 'choose another: --port' };
  await new Promise((resolve) => server.close(resolve));
  return { name, ok: true, detail: 'free' };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
