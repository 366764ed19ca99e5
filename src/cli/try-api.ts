import { setTimeout as delay } from 'node:timers/promises';
import type { Api } from './endpoint.ts';

const pollMs = 50;
const actionDeadlineMs = 180_000;

interface DropletBody {
  id: number;
  networks: { v4: { ip_address: string; type: string }[] };
}

/** A call that must succeed. Throws with the API's own message otherwise. */
async function must<T>(api: Api, method: string, path: string, body?: unknown): Promise<T> {
  const reply = await api.call(method, path, body);
  if (reply.status >= 200 && reply.status < 300) return reply.body as T;
  const { message = 'no message' } = (reply.body ?? {}) as { message?: string };
  throw new Error(`${method} ${path}: ${reply.status}: ${message}`);
}

/** The account's SSH key of this text: added where it is not there yet. Answers its id. */
export async function ensureAccountKey(api: Api, publicKey: string): Promise<number> {
  const order = { name: 'atoll try', public_key: publicKey };
  const added = await api.call('POST', '/v2/account/keys', order);
  if (added.status === 201) return (added.body as { ssh_key: { id: number } }).ssh_key.id;
  type Listed = { ssh_keys: { id: number; public_key: string }[] };
  const { ssh_keys: keys } = await must<Listed>(api, 'GET', '/v2/account/keys?per_page=200');
  const [, wanted] = publicKey.split(' ');
  const found = keys.find((key) => key.public_key.split(' ')[1] === wanted);
  if (found) return found.id;
  throw new Error(`POST /v2/account/keys: ${added.status}: ${JSON.stringify(added.body)}`);
}

/** Orders a droplet. Answers its id and that of the action that makes it. */
export async function createDroplet(api: Api, order: object): Promise<{ id: number; actionId: number }> {
  type Created = { droplet: { id: number }; links: { actions: { id: number; rel: string }[] } };
  const { droplet: made, links } = await must<Created>(api, 'POST', '/v2/droplets', order);
  const action = links.actions.find(({ rel }) => rel === 'create');
  if (!action) throw new Error('POST /v2/droplets answered without the action that creates the droplet');
  return { id: made.id, actionId: action.id };
}

/** Waits until an action has completed. Throws where it ends in an error or takes longer than three minutes. */
export async function completedAction(api: Api, id: number): Promise<void> {
  const deadline = performance.now() + actionDeadlineMs;
  while (performance.now() < deadline) {
    const { action } = await must<{ action: { status: string } }>(api, 'GET', `/v2/actions/${id}`);
    if (action.status === 'completed') return;
    if (action.status === 'errored') throw new Error(`Action ${id} failed; why is in: ./atoll logs`);
    await delay(pollMs);
  }
  throw new Error(`Action ${id} is still under way after ${actionDeadlineMs / 1000} s`);
}

export async function droplet(api: Api, id: number): Promise<DropletBody> {
  return (await must<{ droplet: DropletBody }>(api, 'GET', `/v2/droplets/${id}`)).droplet;
}

/** The public IPv4 address. Throws where it has none. */
export function publicAddress({ id, networks }: DropletBody): string {
  const address = networks.v4.find(({ type }) => type === 'public')?.ip_address;
  if (!address) throw new Error(`Droplet ${id} has no public address`);
  return address;
}
