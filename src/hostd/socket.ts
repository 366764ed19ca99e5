import { chmod, chown, mkdir, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { run } from './exec.ts';
import { listen } from './listen.ts';

/** Throws where a live process answers on the socket: one hostd serves a home. */
export async function refuseSecond(path: string): Promise<void> {
  if (await answers(path)) throw new Error(`${path}: another hostd serves this home already`);
}

/**
 * Listens on a unix socket that the members of `group` may use, and nobody else but root. A socket that a killed
 * process left behind is replaced.
 */
export async function listenOnSocket(server: Server, path: string, group: string): Promise<void> {
  const gid = await groupId(group);
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true });
  // Nobody may connect before the group is set.
  const before = process.umask(0o177);
  try {
    await listen(server, { path });
  } finally {
    process.umask(before);
  }
  await chown(path, process.getuid?.() ?? 0, gid);
  await chmod(path, 0o660);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function groupId(group: string): Promise<number> {
  const entry = await run('getent', ['group', group]).catch(() => '');
  const gid = Number(entry.split(':')[2]);
  if (!entry || !Number.isInteger(gid)) throw new Error(`There is no group ${group} on this machine`);
  return gid;
}
