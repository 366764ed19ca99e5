import { run } from '../exec.ts';
import { errorText, log } from '../log.ts';
import { loopMounts, type Mount } from './mounts.ts';

/** How long growing one may take, ms: a machine can make the path to its mount endless. */
const GROW_MS = 5_000;

/** Grows filesystems that machines have mounted to the size of their devices. */
export interface Growth {
  /** Grows the filesystem on a device, if it is mounted. `bytes`: the size of the device. */
  grow(device: string, bytes: number): Promise<void>;
  /** The same, but once for each size while it stays mounted. `mounts`: all there are, by their devices. */
  heal(device: string, bytes: number, mounts: Map<string, Mount>): Promise<void>;
}

/**
 * A machine cannot do it: the kernel lets only root of the host grow a mounted filesystem, and refuses resize2fs and
 * xfs_growfs inside. Best effort: where it fails, the volume works on with the smaller filesystem, the log says so, and
 * `heal` may try again.
 *
 * The kernel is asked through the machine's own mount: nothing is mounted here, and no program of ours reads what
 * the machine has written.
 */
export function filesystemGrowth(): Growth {
  /** What was done with those that are mounted, by their devices. */
  const tried = new Map<string, number>();

  async function attempt(device: string, bytes: number, mount: Mount | undefined): Promise<void> {
    if (mount?.type !== 'ext4' && mount?.type !== 'xfs') return;
    const args = ['-', mount.directory, device, mount.type, String(bytes)];
    try {
      await run('perl', args, { input: GROW, timeoutMs: GROW_MS });
      tried.set(device, bytes);
    } catch (error) {
      log('warn', 'a mounted filesystem cannot be grown', { device, error: errorText(error) });
      // A refusal by the kernel's ioctl stays the same, and is not asked for again. Other errors may be over the next time.
      if (errorText(error).includes('_IOC_')) tried.set(device, bytes);
    }
  }

  return {
    grow: async (device, bytes) => attempt(device, bytes, (await loopMounts()).get(device)),
    async heal(device, bytes, mounts) {
      const mount = mounts.get(device);
      if (!mount) tried.delete(device);
      else if (tried.get(device) !== bytes) await attempt(device, bytes, mount);
    },
  };
}

/**
 * Perl, which every Debian has, for its ioctl: EXT4_IOC_RESIZE_FS takes the number of blocks; XFS_IOC_FSGROWFSDATA
 * that and the share of inodes, which XFS_IOC_FSGEOMETRY_V1 tells. A directory on another device is not the volume's:
 * the machine may have led us anywhere.
 */
const GROW = `
use strict;
use Fcntl;
my ($directory, $device, $type, $bytes) = @ARGV;
chdir $directory or die "$directory: $!\\n";
sysopen my $filesystem, '.', O_RDONLY | O_DIRECTORY or die "$directory: $!\\n";
my ($number, $block) = (stat $filesystem)[0, 11];
$number == (stat $device)[6] or die "$directory: another filesystem\\n";
if ($type eq 'ext4') {
  my $size = pack 'Q', int($bytes / $block);
  ioctl $filesystem, 0x40086610, $size or die "EXT4_IOC_RESIZE_FS: $!\\n";
} else {
  my $geometry = "\\0" x 112;
  ioctl $filesystem, 0x80705864, $geometry or die "XFS_IOC_FSGEOMETRY_V1: $!\\n";
  my ($block, $share, $blocks) = unpack 'L x24 L Q', $geometry;
  my $size = pack 'Q L x4', int($bytes / $block), $share;
  int($bytes / $block) <= $blocks or ioctl $filesystem, 0x4010586e, $size or die "XFS_IOC_FSGROWFSDATA: $!\\n";
}`;
