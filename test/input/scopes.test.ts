/** Every operation is done with the scopes that it names and no other: a good request, taken for good. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Operation } from '../../src/http/operation.ts';
import { createDroplet } from '../support/droplets.ts';
import { builtOperations, pathOf } from '../support/operations.ts';
import { createVolume } from '../support/volumes.ts';
import { type Good, type Lab, openLab } from './fixtures.ts';
import { untilIdle } from './idle.ts';

let lab: Lab;
/** Where the lab's request is not good enough, or what it needs is gone by then. */
let instead: Record<string, () => Good | Promise<Good>>;
beforeAll(async () => {
  lab = await openLab();
  const { api } = lab.atoll;
  instead = {
    autoscalepools_delete: async () => {
      const body = { ...lab.good.autoscalepools_create?.body, name: 'another' };
      return { params: [(await api.expect(202, 'POST', '/v2/droplets/autoscale', body)).autoscale_pool.id] };
    },
    // The droplet of the lab's request has an address of this product already.
    floatingIPsAction_post: async () => {
      const body = { type: 'assign', droplet_id: (await createDroplet(api)).id };
      return { ...lab.good.floatingIPsAction_post, body };
    },
    // By name it was made larger before.
    volumeActions_post_byId: () => ({
      ...lab.good.volumeActions_post_byId,
      body: { type: 'resize', size_gigabytes: 40 },
    }),
    volumes_delete_byName: async () => {
      const { name, region } = await createVolume(api);
      return { query: `name=${name}&region=${region.slug}` };
    },
  };
});
afterAll(() => lab.close());

/** What these ask for beside the scopes that are published for them, by what their request does. */
const more: Record<string, string[]> = {
  tags_assign_resources: ['droplet:update'],
  tags_unassign_resources: ['droplet:update'],
};

/** Those that delete come last, and of them those that delete most. */
const destruction = ({ method, path }: Operation) => (method === 'DELETE' ? 1 / path.length : 0);
const operations = builtOperations().toSorted((a, b) => destruction(a) - destruction(b));

it.each(operations)('$id', async (operation) => {
  const { id, method, path, status, scopes } = operation;
  const { params, query, body } = (await instead[id]?.()) ?? lab.good[id] ?? {};
  await untilIdle(lab.atoll);
  const own = scopes.length > 0 ? scopes : ['account:read'];
  const client = await lab.atoll.clientWith([...own, ...(more[id] ?? [])]);
  const url = pathOf({ path }, params) + (query ? `?${query}` : '');
  const headers: Record<string, string> = id.endsWith('angerous') ? { 'x-dangerous': 'true' } : {};
  const answer = await client.call(method, url, body, headers);
  expect(answer).toMatchObject({ status });
});
