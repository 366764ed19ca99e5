/*
 * The process of the metadata service, started by hostd: see service.ts. Tenants talk to it, so it gives up being root
 * before it reads anything, and has nothing but what hostd tells it and the listening socket. Ends with hostd.
 */
import type { HostDroplet } from '../../engine/node/port.ts';
import { closeServer } from '../listen.ts';
import { listenerFd, type Message } from './messages.ts';
import { metadataServer } from './server.ts';

/**
 * Nobody else's: systemd and Debian's policy both leave 65520 to 65533 alone. As nobody it could signal what else runs
 * as nobody, such as the name server of Incus.
 */
const ownId = 65_530;

process.setgroups?.([]);
process.setgid?.(ownId);
process.setuid?.(ownId);

const droplets = new Map<string, Required<Pick<HostDroplet, 'metadata'>>>();
const server = metadataServer((ipv4) => droplets.get(ipv4));

let unread = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (text: string) => {
  unread += text;
  if (!text.includes('\n')) return;
  const lines = unread.split('\n');
  unread = lines.pop() ?? '';
  for (const line of lines) handle(JSON.parse(line));
});
process.stdin.on('end', () => void closeServer(server).then(() => process.exit()));

function handle(message: Message): void {
  if ('address' in message) {
    const { address, metadata } = message;
    if (metadata) droplets.set(address, { metadata });
    else droplets.delete(address);
    return;
  }
  if (!server.listening) server.listen({ fd: listenerFd });
  process.stdout.write(`${message.mark}\n`);
}
