import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** How long a machine may take until its sshd answers, ms. */
const deadlineMs = 180_000;

/** Waits until a server on port 22 of the address says that it is an SSH server. Throws after three minutes. */
export async function sshBanner(address: string): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await greets(address))) {
    if (performance.now() > deadline) throw new Error(`no sshd answers on ${address}`);
    await delay(20);
  }
}

function greets(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: 22 });
    const end = (greeted: boolean) => {
      socket.destroy();
      resolve(greeted);
    };
    socket.setTimeout(1000, () => end(false));
    socket.once('data', (data) => end(data.toString('latin1').startsWith('SSH-')));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
  });
}
