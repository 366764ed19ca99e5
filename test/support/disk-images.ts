/** Small disk images with a tiny operating system on them: an init that is a shell script, of the host's own shell. */
import { execFile } from 'node:child_process';
import { cp, mkdir, open, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const mebibyte = 1024 ** 2;
const sector = 512;

/** Makes the tree of an operating system in `root`: with an os-release behind a link, as distributions have it. */
export async function makeSystem(root: string): Promise<void> {
  for (const name of ['bin', 'sbin', 'dev', 'proc', 'sys', 'run', 'tmp', 'root', 'etc/ssh', 'usr/lib'])
    await mkdir(join(root, name), { recursive: true });
  for (const program of ['/bin/sh', '/bin/sleep']) {
    const { stdout } = await run('ldd', [program]);
    const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].flatMap(([, path]) => path ?? []);
    for (const file of [program, ...libraries]) {
      await mkdir(join(root, dirname(file)), { recursive: true });
      await cp(file, join(root, file), { dereference: true });
    }
  }
  const init = '#!/bin/sh\ntrap "exit 0" PWR\nwhile :; do sleep 3600 & wait $!; done\n';
  await writeFile(join(root, 'sbin/init'), init, { mode: 0o755 });
  await writeFile(join(root, 'usr/lib/os-release'), 'ID=tiny\nPRETTY_NAME="Tiny Linux 1"\n');
  await symlink('../usr/lib/os-release', join(root, 'etc/os-release'));
  await writeFile(join(root, 'etc/fstab'), 'LABEL=root / ext4 defaults 0 1\n');
  await writeFile(join(root, 'etc/ssh/ssh_host_ed25519_key'), 'a key that no two machines may share');
  await writeFile(join(root, 'root/proof'), 'bytes of the image');
}

/** Makes a raw disk in `file`: an ext4 filesystem with what is in `tree`, bare or on the second partition. */
export async function makeDisk(file: string, tree: string, table: 'bare' | 'partitions'): Promise<void> {
  const bare = `${file}.ext4`;
  const size = 20 * mebibyte;
  await run('mkfs.ext4', ['-q', '-d', tree, bare, `${size / mebibyte}M`]);
  const offset = table === 'bare' ? 0 : 2 * mebibyte;
  await run('dd', [`if=${bare}`, `of=${file}`, 'bs=1M', `seek=${offset / mebibyte}`, 'conv=sparse']);
  await rm(bare);
  if (table === 'bare') return;
  const record = Buffer.alloc(sector);
  const partition = (index: number, start: number, length: number) => {
    const at = 446 + 16 * index;
    record[at + 4] = 0x83;
    record.writeUInt32LE(start / sector, at + 8);
    record.writeUInt32LE(length / sector, at + 12);
  };
  partition(0, mebibyte, mebibyte);
  partition(1, offset, size);
  record.writeUInt16LE(0xaa55, 510);
  const handle = await open(file, 'r+');
  try {
    await handle.write(record, 0, sector, 0);
  } finally {
    await handle.close();
  }
}
