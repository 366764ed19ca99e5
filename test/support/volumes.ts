/** Ordering and moving volumes in tests, through the public API. */
import type { ApiClient } from './api-client.ts';
import type { TestAtoll } from './atoll.ts';
import { createDroplet, ended } from './droplets.ts';

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

/** The same for one Atoll, that `atoll` answers once it has been started, and what its host holds. */
export const volumesOf = (atoll: () => TestAtoll) => ({
  create: (extra?: object) => createVolume(atoll().api, extra),
  get: (id: string) => getVolume(atoll().api, id),
  act: (id: string, body: object) => actOnVolume(atoll().api, id, body),
  /** Orders a droplet; answers its id when it is up. */
  droplet: async (extra?: object): Promise<number> => (await createDroplet(atoll().api, extra)).id,
  /** The message with which an order is refused. */
  refused: async (status: number, path: string, body: object): Promise<string> =>
    (await atoll().api.expect(status, 'POST', path, body)).message,
  held: async (id: string) => (await atoll().host.volumes()).volumes.find((volume) => volume.id === id),
});

/** The id of no volume. */
export const unknownVolume = '00000000-0000-4000-8000-000000000000';
