/** Ordering and following droplets in tests, through the public API. */
import type { ApiClient } from './api-client.ts';
import { until } from './until.ts';

export const order = { name: 'web-1', region: 'nyc3', size: 's-1vcpu-1gb', image: 'debian-12-x64' };

export interface SeenAction {
  id: number;
  status: string;
  type: string;
  message?: string;
}

/** Waits until an action is no longer in progress, and answers it; `intervalMs`: how often it looks. */
export async function ended(
  api: ApiClient,
  id: number,
  deadlineMs?: number,
  intervalMs?: number,
): Promise<SeenAction> {
  const look = async (): Promise<SeenAction> => (await api.expect(200, 'GET', `/v2/actions/${id}`)).action;
  await until(
    async () => (await look()).status !== 'in-progress',
    deadlineMs,
    `action ${id} ends`,
    intervalMs,
  );
  return look();
}

/** Orders a droplet, waits until its create action has ended, and answers the droplet. */
export async function createDroplet(api: ApiClient, extra: object = {}, deadlineMs?: number) {
  const { droplet, links } = await api.expect(202, 'POST', '/v2/droplets', { ...order, ...extra });
  await ended(api, links.actions[0].id, deadlineMs);
  return getDroplet(api, droplet.id);
}

export const getDroplet = async (api: ApiClient, id: number) =>
  (await api.expect(200, 'GET', `/v2/droplets/${id}`)).droplet;
