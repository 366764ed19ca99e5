/** Ordering and moving volumes in tests, through the public API. */
import type { ApiClient } from './api-client.ts';
import { ended } from './droplets.ts';

export const volumeOrder = { name: 'data', region: 'nyc3', size_gigabytes: 10 };

let made = 0;
/** A name that no other volume of this test run has. */
export const newName = (): string => `data-${++made}`;

export const createVolume = async (api: ApiClient, extra: object = {}) =>
  (await api.expect(201, 'POST', '/v2/volumes', { ...volumeOrder, name: newName(), ...extra })).volume;

export const getVolume = async (api: ApiClient, id: string) =>
  (await api.expect(200, 'GET', `/v2/volumes/${id}`)).volume;

/** Begins an action on a volume and answers it when it has ended. */
export async function actOnVolume(api: ApiClient, id: string, body: object) {
  const { action } = await api.expect(202, 'POST', `/v2/volumes/${id}/actions`, body);
  return ended(api, action.id);
}
