import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { join } from 'node:path';
import { until } from './until.ts';

/** Runs each command in the droplet, by the key that `atoll try` made in this home; answers one text each. */
export async function ssh(home: string, address: string, commands: string[]): Promise<string[]> {
  const quiet = [
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
    'ConnectTimeout=10',
  ];
  const options = quiet.flatMap((option) => ['-o', option]);
  const mark = '--next--';
  const script = commands.map((command) => `${command}\necho ${mark}`).join('\n');
  const args = [...options, '-i', join(home, 'try', 'id_ed25519'), `root@${address}`, script];
  const output = await new Promise<string>((resolve, reject) => {
    execFile('ssh', args, { timeout: 60_000 }, (error, stdout, stderr) =>
      error ? reject(new Error(`ssh ${address}: ${stderr || error.message}`)) : resolve(stdout),
    );
  });
  return output
    .split(mark)
    .slice(0, commands.length)
    .map((text) => text.trim());
}

/** Waits until an SSH server greets at this address. */
export function sshBanner(address: string, deadlineMs = 60_000): Promise<void> {
  return until(() => greets(address), deadlineMs, `sshd answers at ${address}`, 50);
}

function greets(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: 22, timeout: 1000 });
    const end = (greeted: boolean) => {
      socket.destroy();
      resolve(greeted);
    };
    socket.once('data', (data) => end(data.toString().startsWith('SSH-')));
    for (const event of ['error', 'timeout', 'close']) socket.once(event, () => end(false));
  });
}
