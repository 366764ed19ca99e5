/** A client of a running Atoll over HTTP, for tests of the whole. */
import { join } from 'node:path';
import { Pool } from 'undici';
import { expect } from 'vitest';
import { until } from './until.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into bodies of every shape
type AnyBody = any;

export interface RemoteClient {
  /** Calls the API, whatever it answers. */
  call(method: string, path: string, body?: unknown): Promise<{ status: number; text: string }>;
  /** Calls the API and fails the test unless the status is this one. */
  expect(status: number, method: string, path: string, body?: unknown): Promise<AnyBody>;
  /** Waits until an action has ended, and answers it. */
  ended(action: number): Promise<{ status: string; message?: string }>;
  /** Begins an action and fails the test unless it completes. */
  act(droplet: number, body: object): Promise<void>;
  /** A new droplet that runs, with the key that `atoll try` made. */
  droplet(extra: object): Promise<{ droplet: AnyBody; address: string }>;
  /** The names of the engine's machines. */
  machines(home: string): Promise<string[]>;
}

/** `exports`: what `atoll env` prints. */
export function remoteClient(exports: string): RemoteClient {
  const variable = (name: string) => new RegExp(`^export ${name}='?([^'\n]+)`, 'm').exec(exports)?.[1] ?? '';
  const url = variable('DIGITALOCEAN_API_URL');
  const token = variable('DIGITALOCEAN_ACCESS_TOKEN');

  const client: RemoteClient = {
    async call(method, path, body) {
      const answer = await fetch(url + path, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      return { status: answer.status, text: await answer.text() };
    },
    async expect(status, method, path, body) {
      const answer = await client.call(method, path, body);
      expect(answer.status, `${method} ${path}: ${answer.text.slice(0, 500)}`).toBe(status);
      return answer.text === '' ? undefined : JSON.parse(answer.text);
    },
    async ended(id) {
      const look = async () => (await client.expect(200, 'GET', `/v2/actions/${id}`)).action;
      await until(async () => (await look()).status !== 'in-progress', 240_000, `action ${id} ends`, 250);
      return look();
    },
    async act(droplet, body) {
      const { action } = await client.expect(201, 'POST', `/v2/droplets/${droplet}/actions`, body);
      expect(await client.ended(action.id)).toMatchObject({ status: 'completed' });
    },
    async droplet(extra) {
      const { ssh_keys } = await client.expect(200, 'GET', '/v2/account/keys');
      const order = {
        region: 'nyc3',
        size: 's-1vcpu-1gb',
        image: 'debian-12-x64',
        ssh_keys: [ssh_keys[0].id],
      };
      const { droplet, links } = await client.expect(202, 'POST', '/v2/droplets', { ...order, ...extra });
      expect(await client.ended(links.actions[0].id)).toMatchObject({ status: 'completed' });
      const made = (await client.expect(200, 'GET', `/v2/droplets/${droplet.id}`)).droplet;
      return { droplet: made, address: made.networks.v4[0].ip_address };
    },
    async machines(home) {
      const pool = new Pool('http://incus', { socketPath: join(home, 'incus', 'unix.socket') });
      try {
        const { body } = await pool.request({ method: 'GET', path: '/1.0/instances' });
        return ((await body.json()) as { metadata: string[] }).metadata;
      } finally {
        await pool.close();
      }
    },
  };
  return client;
}
