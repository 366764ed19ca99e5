/*
 * Converts one downloaded image, alone in namespaces of its own: see conversions.ts, which starts it.
 *   node convert.ts DIRECTORY MAX_BYTES
 * DIRECTORY holds `source` and is nobody else's. Makes `image.tar.zst` in it and writes one line of JSON to stdout:
 * `{minDiskGib, bytes, system, cloudInit}`, or `{refused}` where something is wrong with the image itself.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Converted } from './conversions.ts';
import { isPacked, kindOf, sizeOf, toRaw, unpack } from './disk.ts';
import { type Mounted, mountRoot } from './mount.ts';
import { pack } from './pack.ts';
import { RefusedImage } from './refused.ts';
import { step } from './step.ts';
import { systemIn } from './tree.ts';

const gibibyte = 1024 ** 3;

/** The tree of the operating system in a file, and how large a disk it was meant for, in bytes. */
async function treeOf(work: string, maxBytes: number): Promise<Mounted & { disk?: number }> {
  let file = join(work, 'source');
  let kind = await kindOf(file);
  if (isPacked(kind)) {
    const unpacked = join(work, 'unpacked');
    await unpack(kind, file, unpacked, maxBytes);
    await rm(file);
    file = unpacked;
    kind = await kindOf(file);
    if (isPacked(kind)) throw new RefusedImage('It is compressed more than once.');
  }
  if (kind === 'tar') return extract(file, work, maxBytes);
  if (kind !== 'raw') {
    const raw = join(work, 'raw');
    await toRaw(kind, file, raw, maxBytes);
    file = raw;
  }
  return { ...(await mountRoot(file, work, maxBytes)), disk: await sizeOf(file) };
}

/** The tree of a tar: at its top, or in `rootfs` as in images of LXC and Incus. */
async function extract(file: string, work: string, maxBytes: number): Promise<Mounted> {
  const tree = join(work, 'tree');
  await mkdir(tree);
  const flags = ['--numeric-owner', '--preserve-permissions', '--xattrs', '--xattrs-include=*'];
  try {
    await step('tar', ['-C', tree, ...flags, '-xf', file], { maxBytes });
  } catch (error) {
    throw new RefusedImage('It is a broken tar.', { cause: error });
  }
  await rm(file);
  for (const top of ['.', 'rootfs']) {
    const root = join(tree, top);
    if (top !== '.' && !(await readdir(tree)).includes(top)) continue;
    const system = await systemIn(root);
    if (system) return { root, system };
  }
  throw new RefusedImage('No operating system was found in the tar (an os-release and an init).');
}

async function convert(work: string, maxBytes: number): Promise<Converted> {
  const { root, system, disk } = await treeOf(work, maxBytes);
  const used = await step('du', ['-sxB1', root], { maxBytes });
  const bytes = Number(used.split('\t')[0]);
  const target = join(work, 'image.tar.zst');
  const { cloudInit } = await pack({ root, system }, { work, target, maxBytes });
  // A tar has no disk: it gets a quarter of room to work in.
  const minDiskGib = Math.max(1, Math.ceil((disk ?? bytes * 1.25) / gibibyte));
  return { minDiskGib, bytes, system: system.name, cloudInit };
}

const [work = '', maxBytes = ''] = process.argv.slice(2);
let result: object;
try {
  result = await convert(work, Number(maxBytes));
} catch (error) {
  if (!(error instanceof RefusedImage)) throw error;
  result = { refused: error.message };
}
process.stdout.write(`${JSON.stringify(result)}\n`);
