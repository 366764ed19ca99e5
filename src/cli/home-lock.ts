import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Runs `work` while no other command changes this home. The lock is an abstract unix socket, which the kernel
 * frees however this process ends. Throws where another command holds it.
 */
export async function withHomeLock<T>(home: string, work: () => Promise<T>): Promise<T> {
  const server = createServer((socket) => socket.destroy());
  server.listen(`\0atoll-home:${home}`);
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new Error(`Another atoll command is at work on ${home}; wait until it is done.`, { cause });
  }
  try {
    return await work();
  } finally {
    server.close();
  }
}
