/** Ansible's collection community.digitalocean, as Debian packages it, over real HTTP. The gate installs it. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ansible, unless, whyNoAnsible } from '../support/obstacles.ts';
import { publicKey } from '../support/ssh-key.ts';
import { type ListeningAtoll, listeningAtoll } from './listening.ts';

const playbook = join(import.meta.dirname, 'ansible.yml');
const scratch = mkdtempSync(join(tmpdir(), 'atoll-ansible-'));
let listening: ListeningAtoll;

beforeAll(async () => {
  listening = await listeningAtoll();
});
afterAll(async () => {
  await listening?.close();
  rmSync(scratch, { recursive: true, force: true });
});

/** Answers what the program printed; throws with it unless the program succeeds. */
function run(args: string[]): Promise<string> {
  const env = {
    ...process.env,
    ANSIBLE_HOME: scratch,
    ANSIBLE_LOCAL_TEMP: scratch,
    ANSIBLE_REMOTE_TEMP: scratch,
    ANSIBLE_INVENTORY_UNPARSED_WARNING: 'false',
    ANSIBLE_LOCALHOST_WARNING: 'false',
  };
  return new Promise((resolve, reject) => {
    execFile(ansible, args, { env, maxBuffer: 16 << 20, timeout: 540_000 }, (error, stdout, stderr) =>
      error ? reject(new Error(`${ansible} failed:\n${stdout}\n${stderr}`)) : resolve(stdout),
    );
  });
}

it('makes, finds unchanged and removes keys, droplets, tags, volumes and snapshots', {
  ...unless(whyNoAnsible()),
  timeout: 560_000,
}, async () => {
  const region = { region: 'nyc3' };
  const { floating_ip } = await listening.atoll.api.expect(202, 'POST', '/v2/floating_ips', region);
  const variables = {
    floating_ip: floating_ip.ip,
    api: `${listening.origin}/v2`,
    token: listening.token,
    public_key: publicKey(),
    ansible_python_interpreter: '/usr/bin/python3',
  };
  const told = await run([playbook, '--extra-vars', JSON.stringify(variables)]);
  expect(told).toMatch(/failed=0/);
});
