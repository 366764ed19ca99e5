/** What a good request to each operation is made of, so that a test can spoil one part of it. */
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { publicKey } from '../support/ssh-key.ts';
import { until } from '../support/until.ts';

export const order = { name: 'web', region: 'nyc3', size: 's-1vcpu-1gb', image: 'debian-12-x64' };

export interface Good {
  /** For the parameters of the path, in their order. */
  params?: string[];
  query?: string;
  body?: Record<string, unknown>;
}

export interface Lab {
  atoll: TestAtoll;
  /** Of things that are there: by operation id. */
  good: Record<string, Good>;
  close(): Promise<void>;
}

/** An Atoll with one of each thing in the first team's account. */
export async function openLab(): Promise<Lab> {
  const atoll = await startAtoll();
  const { api } = atoll;
  const { droplet, links } = await api.expect(202, 'POST', '/v2/droplets', { ...order, tags: ['lab'] });
  await until(async () => !(await api.expect(200, 'GET', `/v2/droplets/${droplet.id}`)).droplet.locked);
  const key = { name: 'lab', public_key: publicKey() };
  const { ssh_key } = await api.expect(201, 'POST', '/v2/account/keys', key);

  const id = String(droplet.id);
  const action = String(links.actions[0].id);
  const keyId = String(ssh_key.id);
  const resources = [{ resource_id: id, resource_type: 'droplet' }];
  return {
    atoll,
    close: () => atoll.close(),
    good: {
      actions_get: { params: [action] },
      dropletActions_get: { params: [id, action] },
      dropletActions_list: { params: [id] },
      dropletActions_post: { params: [id], body: { type: 'rename', name: 'renamed' } },
      dropletActions_post_byTag: { query: 'tag_name=lab', body: { type: 'rename', name: 'renamed' } },
      droplets_create: { body: { ...order, tags: ['lab'] } },
      droplets_destroy: { params: [id] },
      droplets_destroy_byTag: { query: 'tag_name=none' },
      droplets_get: { params: [id] },
      droplets_list_neighbors: { params: [id] },
      images_get: { params: ['debian-12-x64'] },
      sshKeys_create: { body: { name: 'new', public_key: publicKey() } },
      sshKeys_delete: { params: [keyId] },
      sshKeys_get: { params: [keyId] },
      sshKeys_update: { params: [keyId], body: { name: 'new' } },
      tags_assign_resources: { params: ['lab'], body: { resources } },
      tags_create: { body: { name: 'new' } },
      tags_delete: { params: ['lab'] },
      tags_get: { params: ['lab'] },
      tags_unassign_resources: { params: ['lab'], body: { resources } },
      vpcs_get: { params: [droplet.vpc_uuid] },
    },
  };
}
