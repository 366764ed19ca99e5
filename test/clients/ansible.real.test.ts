/** Ansible's collection community.digitalocean, as Debian packages it, over real HTTP. Needs root to install it. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { publicKey } from '../support/ssh-key.ts';
import { type ListeningAtoll, listeningAtoll } from './listening.ts';

const program = '/usr/bin/ansible-playbook';
const playbook = join(import.meta.dirname, 'ansible.yml');
const scratch = mkdtempSync(join(tmpdir(), 'atoll-ansible-'));
let listening: ListeningAtoll;

beforeAll(async () => {
  if (!existsSync(program)) {
    console.log('Installing Debian’s package `ansible` (30 MB to download, 300 MB on disk) …');
    await run('apt-get', ['-q', 'update']);
    await run('apt-get', ['-q', '-y', 'install', '--no-install-recommends', 'ansible']);
  }
  listening = await listeningAtoll();
});
afterAll(async () => {
  await listening?.close();
  rmSync(scratch, { recursive: true, force: true });
});

/** Answers what the program printed; throws with it unless the program succeeds. */
function run(file: string, args: string[]): Promise<string> {
  const env = {
    ...process.env,
    DEBIAN_FRONTEND: 'noninteractive',
    ANSIBLE_HOME: scratch,
    ANSIBLE_LOCAL_TEMP: scratch,
    ANSIBLE_REMOTE_TEMP: scratch,
    ANSIBLE_INVENTORY_UNPARSED_WARNING: 'false',
    ANSIBLE_LOCALHOST_WARNING: 'false',
  };
  return new Promise((resolve, reject) => {
    execFile(file, args, { env, maxBuffer: 16 << 20, timeout: 540_000 }, (error, stdout, stderr) =>
      error ? reject(new Error(`${file} failed:\n${stdout}\n${stderr}`)) : resolve(stdout),
    );
  });
}

it('makes, finds unchanged and removes keys, droplets, tags, volumes and snapshots', async () => {
  const region = { region: 'nyc3' };
  const { floating_ip } = await listening.atoll.api.expect(202, 'POST', '/v2/floating_ips', region);
  const variables = {
    floating_ip: floating_ip.ip,
    api: `${listening.origin}/v2`,
    token: listening.token,
    public_key: publicKey(),
    ansible_python_interpreter: '/usr/bin/python3',
  };
  const told = await run(program, [playbook, '--extra-vars', JSON.stringify(variables)]);
  expect(told).toMatch(/failed=0/);
}, 560_000);
