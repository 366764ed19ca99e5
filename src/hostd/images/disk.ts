/** From a downloaded file to a raw disk: what kind it is, unpacking it, converting it. */
import { chown, open, rm, stat, truncate } from 'node:fs/promises';
import { RefusedImage } from './refused.ts';
import { nobody, step } from './step.ts';

const packers = { gzip: 'gzip', bzip2: 'bzip2', xz: 'xz', zstd: 'zstd' } as const;
const diskFormats = ['qcow2', 'vmdk', 'vhdx', 'vdi'] as const;

type Packed = keyof typeof packers;
type DiskFormat = (typeof diskFormats)[number];
export type Kind = Packed | DiskFormat | 'tar' | 'raw';

/** What stands where in a file of each kind. A raw disk is what none of them is. */
const marks: { kind: Kind; offset: number; hex: string }[] = [
  { kind: 'gzip', offset: 0, hex: '1f8b' },
  { kind: 'bzip2', offset: 0, hex: '425a68' },
  { kind: 'xz', offset: 0, hex: 'fd377a585a00' },
  { kind: 'zstd', offset: 0, hex: '28b52ffd' },
  { kind: 'qcow2', offset: 0, hex: '514649fb' },
  { kind: 'vmdk', offset: 0, hex: '4b444d56' },
  { kind: 'vhdx', offset: 0, hex: '7668647866696c65' },
  { kind: 'vdi', offset: 64, hex: '7f10dabe' },
  { kind: 'tar', offset: 257, hex: '7573746172' },
];

export const isPacked = (kind: Kind): kind is Packed => Object.hasOwn(packers, kind);

/** What kind a file is by its first bytes. */
export async function kindOf(file: string): Promise<Kind> {
  const handle = await open(file);
  try {
    const { buffer } = await handle.read(Buffer.alloc(512), 0, 512, 0);
    const found = marks.find(({ offset, hex }) => {
      const end = offset + hex.length / 2;
      return buffer.toString('hex', offset, end) === hex;
    });
    return found?.kind ?? 'raw';
  } finally {
    await handle.close();
  }
}

/** Unpacks one layer of compression into `target`. @throws RefusedImage where it is broken or unpacks to too much */
export async function unpack(kind: Packed, source: string, target: string, maxBytes: number): Promise<void> {
  const [from, to] = [await open(source), await open(target, 'wx', 0o600)];
  try {
    await step(packers[kind], ['-dc'], { unprivileged: true, maxBytes, stdin: from.fd, stdout: to.fd });
  } catch (error) {
    if ((await to.stat()).size >= maxBytes)
      throw new RefusedImage(`It unpacks to more than ${gib(maxBytes)}.`);
    throw new RefusedImage(`Its ${kind} compression is broken.`, { cause: error });
  } finally {
    await from.close();
    await to.close();
  }
}

interface DiskInfo {
  'virtual-size': number;
  'backing-filename'?: string;
  encrypted?: boolean;
  'format-specific'?: {
    data?: { 'data-file'?: string; 'create-type'?: string; extents?: unknown[] };
  };
}

/** The kinds of VMDK that hold all of their bytes themselves. */
const wholeVmdk = new Set(['monolithicSparse', 'streamOptimized']);

/**
 * Converts a disk into a raw one, sparse. The file is a stranger's: qemu-img reads it as nobody, and a disk that
 * refers to other files is refused before any of them is read as data.
 * @throws RefusedImage
 */
export async function toRaw(
  format: DiskFormat,
  source: string,
  target: string,
  maxBytes: number,
): Promise<void> {
  // The programs open descriptors anew, as nobody: the directories above stay closed to them.
  await chown(source, nobody, nobody);
  const from = await open(source);
  const to = await open(target, 'wx+', 0o600);
  const options = { unprivileged: true, maxBytes: maxBytes + 1024 ** 2, files: [from.fd, to.fd] };
  try {
    const text = await step('qemu-img', ['info', '--output=json', '-f', format, '/proc/self/fd/3'], options);
    const size = checkDisk(JSON.parse(text), format, maxBytes);
    await truncate(target, size);
    await chown(target, nobody, nobody);
    const flags = ['-f', format, '-O', 'raw', '-n', '--target-is-zero'];
    await step('qemu-img', ['convert', ...flags, '/proc/self/fd/3', '/proc/self/fd/4'], options);
  } catch (error) {
    if (error instanceof RefusedImage) throw error;
    throw new RefusedImage(`It is a broken ${format} disk.`, { cause: error });
  } finally {
    await from.close();
    await to.close();
  }
  await rm(source);
}

/** The disk's size in bytes. @throws RefusedImage where it is not whole, or too large */
function checkDisk(info: DiskInfo, format: DiskFormat, maxBytes: number): number {
  const data = info['format-specific']?.data;
  if (info['backing-filename'] !== undefined || data?.['data-file'] !== undefined)
    throw new RefusedImage(
      'The disk refers to another file: give one that is whole (qemu-img convert makes one).',
    );
  if (format === 'vmdk' && (!wholeVmdk.has(data?.['create-type'] ?? '') || data?.extents?.length !== 1))
    throw new RefusedImage(
      'The VMDK is not in one file: give one of kind streamOptimized or monolithicSparse.',
    );
  if (info.encrypted) throw new RefusedImage('The disk is encrypted.');
  if (info['virtual-size'] > maxBytes)
    throw new RefusedImage(`Its disk is larger than ${gib(maxBytes)}: shrink it before it is exported.`);
  return info['virtual-size'];
}

/** A file's size in bytes. */
export const sizeOf = async (file: string): Promise<number> => (await stat(file)).size;

export const gib = (bytes: number): string =>
  bytes >= 1024 ** 3 ? `${Math.floor(bytes / 1024 ** 3)} GiB` : `${Math.floor(bytes / 1024 ** 2)} MiB`;
