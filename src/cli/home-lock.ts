import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** How long the other command gets to say what it is, ms. */
const tellMs = 500;

/**
 * Runs `work` while no other command changes this home. The lock is an abstract unix socket, which the kernel
 * frees however this process ends, and at which it tells what holds it. Throws where another command does.
 * @param name what to call the command, as it was typed, without options: they may hold secrets
 */
export async function withHomeLock<T>(
  home: string,
  work: () => Promise<T>,
  name = commandName(),
): Promise<T> {
  const path = `\0atoll-home:${home}`;
  const told = `${name} (pid ${process.pid})`;
  const server = createServer((socket) => socket.on('error', () => {}).end(told));
  server.listen(path);
  try {
    await once(server, 'listening');
  } catch (cause) {
    const holder = await holderOf(path);
    throw new Error(
      `Another atoll command is at work on ${home}${holder && `: ${holder}`}; wait until it is done.`,
      { cause },
    );
  }
  try {
    return await work();
  } finally {
    server.close();
  }
}

/** `image add`, of what was typed after `atoll`. */
function commandName(): string {
  const words = process.argv.slice(2, 4);
  const option = words.findIndex((word) => !/^[a-z]+$/.test(word));
  return (option < 0 ? words : words.slice(0, option)).join(' ') || 'atoll';
}

/** What holds a lock, by its own word; empty where it says nothing. */
async function holderOf(path: string): Promise<string> {
  const socket = connect(path).setEncoding('utf8').setTimeout(tellMs);
  socket.once('timeout', () => socket.destroy());
  try {
    const text = (await socket.toArray()).join('');
    return /^[a-z ]+ \(pid \d+\)$/.test(text) ? text : '';
  } catch {
    return '';
  } finally {
    socket.destroy();
  }
}
