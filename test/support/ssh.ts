import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.ts';

const connecting = [
  'StrictHostKeyChecking=no',
  'UserKnownHostsFile=/dev/null',
  'LogLevel=ERROR',
  'ConnectTimeout=10',
];

/** Runs each command in the droplet, by the key that `atoll try` made in this home; answers one text each. */
export async function ssh(home: string, address: string, commands: string[]): Promise<string[]> {
  const options = connecting.flatMap((option) => ['-o', option]);
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

/**
 * Logs in as root by password, never by a key, and runs a command; answers what it printed, or undefined where sshd
 * refuses. OpenSSH asks a program for the password, which finds it in its environment.
 */
export async function sshByPassword(
  address: string,
  password: string,
  command: string,
): Promise<string | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'askpass-'));
  try {
    const program = join(directory, 'askpass');
    await writeFile(program, '#!/bin/sh\nprintf "%s\\n" "$ROOT_PASSWORD"\n', { mode: 0o700 });
    const options = [
      ...connecting,
      'PubkeyAuthentication=no',
      'PreferredAuthentications=password',
      'NumberOfPasswordPrompts=1',
    ];
    const args = [...options.flatMap((option) => ['-o', option]), `root@${address}`, command];
    const env = {
      ...process.env,
      SSH_ASKPASS: program,
      SSH_ASKPASS_REQUIRE: 'force',
      ROOT_PASSWORD: password,
    };
    return await new Promise((resolve, reject) => {
      execFile('ssh', args, { env, timeout: 60_000 }, (error, stdout, stderr) => {
        if (!error) resolve(stdout.trim());
        else if (stderr.includes('Permission denied')) resolve(undefined);
        else reject(new Error(`ssh ${address}: ${stderr || error.message}`));
      });
    });
  } finally {
    await rm(directory, { recursive: true });
  }
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
