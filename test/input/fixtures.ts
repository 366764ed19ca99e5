/** What a good request to each operation is made of, so that a test can spoil one part of it. */
import type { ApiClient } from '../support/api-client.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { snapshotImage } from '../support/images.ts';
import { publicKey } from '../support/ssh-key.ts';
import { until } from '../support/until.ts';
import { volumeOrder } from '../support/volumes.ts';

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
  const { droplet, links } = await api.expect(202, 'POST', '/v2/droplets', {
    ...order,
    ipv6: true,
    tags: ['lab'],
  });
  await until(async () => !(await api.expect(200, 'GET', `/v2/droplets/${droplet.id}`)).droplet.locked);
  const key = { name: 'lab', public_key: publicKey() };
  const { ssh_key } = await api.expect(201, 'POST', '/v2/account/keys', key);

  const { volume } = await api.expect(201, 'POST', '/v2/volumes', volumeOrder);
  const { snapshot } = await api.expect(201, 'POST', `/v2/volumes/${volume.id}/snapshots`, { name: 'lab' });
  const grow = { type: 'resize', size_gigabytes: 20 };
  const grown = await api.expect(202, 'POST', `/v2/volumes/${volume.id}/actions`, grow);
  const volumeAction = String(grown.action.id);
  const settled = async () => (await api.expect(200, 'GET', `/v2/actions/${volumeAction}`)).action.status;
  await until(async () => (await settled()) === 'completed');
  const snapshotOrder = { type: 'snapshot', name: 'lab' };
  await api.expect(201, 'POST', `/v2/droplets/${droplet.id}/actions`, snapshotOrder);
  const snapshotTaken = async () =>
    (await api.expect(200, 'GET', '/v2/snapshots?resource_type=droplet')).snapshots[0]?.id;
  await until(async () => (await snapshotTaken()) !== undefined);
  const dropletSnapshot = await snapshotTaken();

  const imported = { name: 'lab', url: 'https://images.example.com/lab.raw', region: 'nyc3' };
  const { image } = await api.expect(202, 'POST', '/v2/images', imported);
  const imageId = String(image.id);
  const imageStatus = async () => (await api.expect(200, 'GET', `/v2/images/${imageId}`)).image.status;
  await until(async () => (await imageStatus()) === 'available');
  const transfer = { type: 'transfer', region: 'fra1' };
  const transferred = await api.expect(201, 'POST', `/v2/images/${imageId}/actions`, transfer);

  const transfers = await offerImages(atoll);
  const id = String(droplet.id);
  const action = String(links.actions[0].id);
  const reserved = await api.expect(202, 'POST', '/v2/reserved_ips', { droplet_id: droplet.id });
  const ip = reserved.reserved_ip.ip;
  const other = await api.expect(202, 'POST', '/v2/droplets', order);
  const { floating_ip } = await api.expect(202, 'POST', '/v2/floating_ips', { droplet_id: other.droplet.id });
  const { reserved_ipv6 } = await api.expect(201, 'POST', '/v2/reserved_ipv6', { region_slug: 'nyc3' });
  // One that is assigned cannot be deleted.
  const spare = await api.expect(201, 'POST', '/v2/reserved_ipv6', { region_slug: 'nyc3' });
  const assign = { type: 'assign', droplet_id: droplet.id };
  await api.expect(201, 'POST', `/v2/reserved_ipv6/${reserved_ipv6.ip}/actions`, assign);
  const ipAction = String(reserved.links.actions[0].id);
  const keyId = String(ssh_key.id);
  const pool = {
    name: 'web',
    config: { min_instances: 1, max_instances: 2, target_cpu_utilization: 0.5 },
    droplet_template: { ...order, ssh_keys: [ssh_key.fingerprint] },
  };
  const { autoscale_pool } = await api.expect(202, 'POST', '/v2/droplets/autoscale', pool);
  const poolId: string = autoscale_pool.id;
  const poolEvent = async () =>
    (await api.expect(200, 'GET', `/v2/droplets/autoscale/${poolId}/history`)).history[0]?.status;
  await until(async () => (await poolEvent()) === 'success');
  const resources = [{ resource_id: id, resource_type: 'droplet' }];
  // To be destroyed with what belongs to it, and one that was.
  const doomed: number[] = [];
  for (let n = 0; n < 3; n++) {
    const made = await api.expect(202, 'POST', '/v2/droplets', order);
    doomed.push(made.droplet.id);
    await until(
      async () => !(await api.expect(200, 'GET', `/v2/droplets/${made.droplet.id}`)).droplet.locked,
    );
  }
  const [selected, all, gone] = doomed.map(String);
  const associated = (droplet: string | undefined) =>
    `/v2/droplets/${droplet}/destroy_with_associated_resources`;
  await api.expect(202, 'DELETE', `${associated(gone)}/selective`, {});
  const ended = async () => (await api.expect(200, 'GET', `${associated(gone)}/status`)).completed_at;
  await until(async () => (await ended()) !== undefined);
  return {
    atoll,
    close: () => atoll.close(),
    good: {
      actions_get: { params: [action] },
      autoscalepools_create: { body: pool },
      autoscalepools_delete: { params: [poolId] },
      autoscalepools_delete_dangerous: { params: [poolId] },
      autoscalepools_get: { params: [poolId] },
      autoscalepools_list_history: { params: [poolId] },
      autoscalepools_list_members: { params: [poolId] },
      autoscalepools_update: { params: [poolId], body: pool },
      dropletActions_get: { params: [id, action] },
      dropletActions_list: { params: [id] },
      dropletActions_post: { params: [id], body: { type: 'rename', name: 'renamed' } },
      dropletActions_post_byTag: { query: 'tag_name=lab', body: { type: 'power_cycle' } },
      droplets_create: { body: { ...order, tags: ['lab'] } },
      droplets_destroy: { params: [id] },
      droplets_destroy_byTag: { query: 'tag_name=none' },
      droplets_get: { params: [id] },
      droplets_list_kernels: { params: [id] },
      droplets_list_firewalls: { params: [id] },
      droplets_list_associatedResources: { params: [id] },
      droplets_destroy_withAssociatedResourcesSelective: { params: [selected ?? ''], body: { volumes: [] } },
      droplets_destroy_withAssociatedResourcesDangerous: { params: [all ?? ''] },
      droplets_get_DestroyAssociatedResourcesStatus: { params: [gone ?? ''] },
      droplets_destroy_retryWithAssociatedResources: { params: [gone ?? ''] },
      droplets_get_backup_policy: { params: [id] },
      droplets_list_backups: { params: [id] },
      droplets_list_neighbors: { params: [id] },
      droplets_list_snapshots: { params: [id] },
      floatingIPsAction_get: { params: [ip, ipAction] },
      floatingIPsAction_list: { params: [ip] },
      floatingIPsAction_post: { params: [floating_ip.ip], body: assign },
      floatingIPs_create: { body: { region: 'nyc3', project_id: atoll.team.teamId } },
      floatingIPs_delete: { params: [floating_ip.ip] },
      floatingIPs_get: { params: [floating_ip.ip] },
      imageActions_get: { params: [imageId, String(transferred.action.id)] },
      imageActions_list: { params: [imageId] },
      imageActions_post: { params: [imageId], body: transfer },
      images_create_custom: { body: { ...imported, tags: ['lab'] } },
      images_delete: { params: [imageId] },
      ...transfers,
      images_update: { params: [imageId], body: { name: 'renamed' } },
      images_get: { params: ['debian-12-x64'] },
      reservedIPsActions_get: { params: [ip, ipAction] },
      reservedIPsActions_list: { params: [ip] },
      reservedIPsActions_post: { params: [ip], body: assign },
      reservedIPs_create: { body: { region: 'nyc3', project_id: atoll.team.teamId } },
      reservedIPs_delete: { params: [ip] },
      reservedIPs_get: { params: [ip] },
      reservedIPv6Actions_post: { params: [reserved_ipv6.ip], body: assign },
      reservedIPv6_create: { body: { region_slug: 'nyc3' } },
      reservedIPv6_delete: { params: [spare.reserved_ipv6.ip] },
      reservedIPv6_get: { params: [reserved_ipv6.ip] },
      snapshots_delete: { params: [dropletSnapshot] },
      snapshots_get: { params: [snapshot.id] },
      sshKeys_create: { body: { name: 'new', public_key: publicKey() } },
      sshKeys_delete: { params: [keyId] },
      sshKeys_get: { params: [keyId] },
      sshKeys_update: { params: [keyId], body: { name: 'new' } },
      tags_assign_resources: { params: ['lab'], body: { resources } },
      tags_create: { body: { name: 'new' } },
      tags_delete: { params: ['lab'] },
      tags_get: { params: ['lab'] },
      tags_unassign_resources: { params: ['lab'], body: { resources } },
      volumeActions_get: { params: [volume.id, volumeAction] },
      volumeActions_list: { params: [volume.id] },
      volumeActions_post: { body: { ...grow, size_gigabytes: 30, volume_name: volume.name, region: 'nyc3' } },
      volumeActions_post_byId: { params: [volume.id], body: { ...grow, size_gigabytes: 30 } },
      volumeSnapshots_create: { params: [volume.id], body: { name: 'new' } },
      volumeSnapshots_delete_byId: { params: [snapshot.id] },
      volumeSnapshots_get_byId: { params: [snapshot.id] },
      volumeSnapshots_list: { params: [volume.id] },
      volumes_create: {
        body: { ...volumeOrder, name: 'new', filesystem_type: 'ext4', filesystem_label: 'new' },
      },
      volumes_delete: { params: [volume.id] },
      volumes_delete_byName: { query: 'name=none&region=nyc3' },
      volumes_get: { params: [volume.id] },
      vpcs_get: { params: [droplet.vpc_uuid] },
    },
  };
}

/** Snapshots to be offered, and offered: by the first team to another, and by that to the first. */
async function offerImages(atoll: TestAtoll): Promise<Record<string, Good>> {
  const [first, other] = [atoll.team, await atoll.newTeam()];
  const operation = (way: string) => `images_post_account_transfer_${way}`;
  const snapshot = ({ teamId }: { teamId: string }) => snapshotImage(atoll, { teamId, type: 'snapshot' });
  const offer = async (api: ApiClient, recipient: { teamId: string }, image: number) => {
    const path = `/v2/images/${image}/account_transfer`;
    const { transfer_id } = await api.expect(201, 'POST', path, { recipient_uuid: recipient.teamId });
    return { params: [String(image)], body: { transfer_id } };
  };
  const accepted = await offer(other.api, first, await snapshot(other));
  return {
    [operation('create')]: {
      params: [String(await snapshot(first))],
      body: { recipient_uuid: other.teamId },
    },
    [operation('accept')]: { ...accepted, body: { ...accepted.body, recipient_uuid: first.teamId } },
    [operation('decline')]: await offer(other.api, first, await snapshot(other)),
    [operation('cancel')]: await offer(atoll.api, other, await snapshot(first)),
  };
}
