import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { IncusClient } from '../../src/engine/compute/incus/client.ts';

const run = promisify(execFile);

/** What the compute engine needs inside a machine. */
const programs = [
  '/bin/sh',
  '/bin/sleep',
  '/bin/mount',
  '/bin/umount',
  '/bin/rm',
  '/bin/dd',
  '/bin/cat',
  '/bin/mkdir',
  '/bin/chmod',
  '/bin/mv',
  '/usr/bin/stat',
  '/bin/ip',
];

/** An init that lives, and runs `onHalt` at SIGPWR, the signal of an orderly halt. */
export const living = (onHalt: string): string =>
  `echo up\ntrap '${onHalt}' PWR\nwhile :; do sleep 3600 & wait $!; done`;

/**
 * An image whose init is this shell script, made of the host's own shell and its libraries: it boots and stops in
 * milliseconds and needs no download. Answers its file.
 */
export async function tinyImage(directory: string, alias: string, init: string): Promise<string> {
  const tree = join(directory, alias);
  const root = join(tree, 'rootfs');
  for (const name of ['bin', 'sbin', 'dev', 'proc', 'sys', 'run', 'tmp', 'etc', 'root'])
    await mkdir(join(root, name), { recursive: true });
  for (const program of programs) {
    for (const file of [program, ...(await librariesOf(program))]) {
      await mkdir(join(root, dirname(file)), { recursive: true });
      await cp(file, join(root, file), { dereference: true });
    }
  }
  // Takes what it is told for root's password, and keeps it.
  await writeFile(join(root, 'sbin', 'chpasswd'), '#!/bin/sh\nread line; echo "$line" > /root/password\n', {
    mode: 0o755,
  });
  await writeFile(join(root, 'sbin', 'init'), `#!/bin/sh\n${init}\n`, { mode: 0o755 });
  const architecture = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const metadata = { architecture, creation_date: 1_700_000_000, properties: { name: alias } };
  await writeFile(join(tree, 'metadata.yaml'), JSON.stringify(metadata));
  const tarball = `${tree}.tar`;
  await run('tar', ['-C', tree, '-cf', tarball, 'metadata.yaml', 'rootfs']);
  return tarball;
}

/** Makes a tiny image and takes it in under its name. */
export async function importTinyImage(client: IncusClient, directory: string, alias: string, init: string) {
  const body = await readFile(await tinyImage(directory, alias, init));
  const { fingerprint } = await client.request<{ fingerprint: string }>('POST', '/1.0/images', { body });
  await client.request('POST', '/1.0/images/aliases', { body: { name: alias, target: fingerprint } });
}

async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await run('ldd', [program]);
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].flatMap(([, path]) => path ?? []);
}
