import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../setup/command.ts';

const pollMs = 20;
const bannerDeadlineMs = 120_000;
const sshDeadlineMs = 120_000;
/** A connection that is made while the droplet sets up its network may hang; then another one is made. */
const sshAttemptMs = 20_000;

/** The throw-away key of `try`, made on first use. */
export async function ensureTryKey(home: string): Promise<{ file: string; publicKey: string }> {
  const directory = join(home, 'try');
  const file = join(directory, 'id_ed25519');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (!existsSync(`${file}.pub`)) {
    rmSync(file, { force: true });
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'atoll-try', '-f', file]);
  }
  return { file, publicKey: readFileSync(`${file}.pub`, 'utf8').trim() };
}

/** Whether the server on port 22 says that it speaks SSH, within a second. */
function speaksSsh(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: 22, timeout: 1000 });
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('data', (data) => finish(data.toString('latin1').startsWith('SSH-')));
    socket.once('error', () => finish(false));
    socket.once('timeout', () => finish(false));
    socket.once('close', () => finish(false));
  });
}

/** Waits until sshd says its banner. */
export async function sshBanner(address: string): Promise<void> {
  const deadline = performance.now() + bannerDeadlineMs;
  while (!(await speaksSsh(address))) {
    if (performance.now() > deadline)
      throw new Error(`${address}: no sshd answers after ${bannerDeadlineMs / 1000} s`);
    await delay(pollMs);
  }
}

/** Host keys are not checked: the droplet is new, and its address may have been another's before. */
const sshOptions = [
  '-o',
  'StrictHostKeyChecking=no',
  '-o',
  'UserKnownHostsFile=/dev/null',
  '-o',
  'LogLevel=ERROR',
];

/** Runs a command on the droplet as root, trying again while logging in is refused (it boots still). */
export async function runOverSsh(keyFile: string, address: string, command: string): Promise<string> {
  const options = [
    ...sshOptions,
    '-o',
    'BatchMode=yes',
    '-o',
    'ConnectTimeout=10',
    '-o',
    'IdentitiesOnly=yes',
  ];
  const deadline = performance.now() + sshDeadlineMs;
  for (;;) {
    try {
      const timeoutMs = Math.min(sshAttemptMs, Math.max(1000, deadline - performance.now()));
      return (await run('ssh', [...options, '-i', keyFile, `root@${address}`, command], { timeoutMs }))
        .stdout;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await delay(200);
    }
  }
}

/** The line to paste. */
export function sshLine(keyFile: string, address: string): string {
  return ['ssh', ...sshOptions, '-i', keyFile, `root@${address}`].join(' ');
}
