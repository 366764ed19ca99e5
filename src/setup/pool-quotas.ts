/**
 * The limits of the storage pool: quota groups of a btrfs file system, one for each subvolume (btrfs-quota(8)).
 *
 * There are two ways of counting. The one of old walks all references of an extent whenever one of them goes, which
 * costs more CPU than the boot of a droplet, and may lose count ("inconsistent"): from then on nothing is limited.
 * Simple quotas (Linux 6.7) count an extent for the subvolume that wrote it, and nothing else.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { unescapePath } from './mountinfo.ts';

/** Runs a program to its end and answers its standard output; throws where it fails. */
export type Run = (program: string, args: string[]) => Promise<string>;

/** How a pool is counted: not at all, as of old, or simply. */
export type QuotaMode = 'none' | 'qgroup' | 'squota';

export interface QuotaState {
  mode: QuotaMode;
  /** The kernel has lost count: no limit is in force until the pool is counted anew. */
  inconsistent: boolean;
}

/** A subvolume of the pool with what is counted for it and what it may have, in bytes. */
export interface LimitedSubvolume {
  /** Of its quota group, `0/257`. */
  group: string;
  /** Below the pool's root: `containers/NAME`. */
  path: string;
  used: number;
  /** Absent: as much as there is. */
  limit?: number;
}

export interface PoolQuotas {
  /** The root of the pool. */
  readonly directory: string;
  /** As the kernel tells at this moment; undefined while the pool is not mounted. */
  state(): QuotaState | undefined;
  /** Makes the pool count simply, from now on, and forgets all limits. Takes milliseconds; nothing is stopped. */
  makeSimple(): Promise<void>;
  /** The subvolumes that are counted, as of the last commit (at most 30 s ago). */
  subvolumes(): Promise<LimitedSubvolume[]>;
  /** Limits what a quota group may take, in bytes. A limit below what is taken is no error: nothing more can be written. */
  limit(group: string, bytes: number): Promise<void>;
  /** Counts the pool anew and returns when all limits are in force again. Only for the counting of old. */
  rescan(): Promise<void>;
  /** Removes the groups of subvolumes that are gone. Those whose bytes live on in a copy stay. */
  clearStale(): Promise<void>;
}

export interface PoolQuotasOptions {
  directory: string;
  run: Run;
  /** Where the kernel tells of its btrfs file systems, and of mounts. */
  sysfs?: string;
  mountinfo?: string;
}

const btrfsSysfs = '/sys/fs/btrfs';

/** Whether this kernel can count simply; undefined where btrfs is a module that is not loaded yet. */
export function hasSimpleQuotas(sysfs = btrfsSysfs): boolean | undefined {
  const features = join(sysfs, 'features');
  return existsSync(features) ? existsSync(join(features, 'simple_quota')) : undefined;
}

/**
 * The two requests of linux/btrfs.h, BTRFS_IOC_QUOTA_CTL with BTRFS_QUOTA_CTL_DISABLE and _ENABLE_SIMPLE_QUOTA, in one
 * go, so that nobody turns on the other counting between them. Perl is on every Debian (perl-base is essential); the
 * btrfs-progs of Debian 12 know no simple quotas.
 */
const makeSimpleScript = `
open(my $pool, '<', $ARGV[0]) or die "$ARGV[0]: $!\\n";
my ($off, $simple) = (pack('QQ', 2, 0), pack('QQ', 4, 0));
ioctl($pool, 0xC0109428, $off);
defined ioctl($pool, 0xC0109428, $simple) or die "$ARGV[0]: simple quotas: $!\\n";
`;

/** The quotas of the btrfs file system that is mounted at `directory`. */
export function poolQuotas(options: PoolQuotasOptions): PoolQuotas {
  const { directory, run, sysfs = btrfsSysfs, mountinfo = '/proc/self/mountinfo' } = options;
  const btrfs = (...args: string[]) => run('btrfs', args);

  function state(): QuotaState | undefined {
    const device = deviceAt(readText(mountinfo) ?? '', directory);
    const id = device && fileSystemOf(sysfs, device);
    if (!id) return undefined;
    const groups = join(sysfs, id, 'qgroups');
    const tells = (name: string) => readText(join(groups, name))?.trim();
    // The directory is there only while quotas are on. Kernels before 6.7 know one way, and do not name it.
    if (tells('enabled') !== '1') return { mode: 'none', inconsistent: false };
    const mode = tells('mode') === 'squota' ? 'squota' : 'qgroup';
    return { mode, inconsistent: tells('inconsistent') === '1' };
  }

  return {
    directory,
    state,
    async makeSimple() {
      await run('perl', ['-e', makeSimpleScript, directory]);
    },
    async subvolumes() {
      const [list, groups] = await Promise.all([
        btrfs('subvolume', 'list', directory),
        btrfs('qgroup', 'show', '-re', '--raw', directory),
      ]);
      return limitedSubvolumes(list, groups);
    },
    async limit(group, bytes) {
      // By the group's number at the pool's root: through a subvolume that is full nothing can be changed.
      await btrfs('qgroup', 'limit', String(bytes), group, directory);
    },
    async rescan() {
      await btrfs('quota', 'rescan', '-w', directory);
    },
    async clearStale() {
      try {
        await run('nice', ['-n', '19', 'btrfs', 'qgroup', 'clear-stale', directory]);
      } catch (error) {
        // Those of subvolumes that are still being removed, or were copied.
        if (!/busy/i.test(error instanceof Error ? error.message : String(error))) throw error;
      }
    },
  };
}

/** The block device of the btrfs file system that is mounted last at a directory, by the text of a mountinfo file. */
export function deviceAt(mountinfo: string, directory: string): string | undefined {
  const sources = mountinfo.split('\n').flatMap((line) => {
    const [mount = '', fileSystem = ''] = line.split(' - ');
    const [type, source] = fileSystem.split(' ');
    const target = unescapePath(mount.split(' ')[4] ?? '');
    return type === 'btrfs' && target === directory && source ? [source] : [];
  });
  return sources.at(-1);
}

/** The name, a uuid, of the file system on a device. */
function fileSystemOf(sysfs: string, device: string): string | undefined {
  return list(sysfs).find((id) => list(join(sysfs, id, 'devices')).includes(basename(device)));
}

/** Of the output of `btrfs subvolume list` and `btrfs qgroup show -re --raw`. */
export function limitedSubvolumes(subvolumes: string, groups: string): LimitedSubvolume[] {
  const paths = new Map(
    [...subvolumes.matchAll(/^ID (\d+) .*? path (.+)$/gm)].map(([, id, path]) => [`0/${id}`, path ?? '']),
  );
  return [...groups.matchAll(/^(0\/\d+)\s+(\d+)\s+\d+\s+(\d+|none)\b/gm)].flatMap(
    ([, group = '', used, limit]) => {
      const path = paths.get(group);
      if (path === undefined) return [];
      return [{ group, path, used: Number(used), ...(limit !== 'none' && { limit: Number(limit) }) }];
    },
  );
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
