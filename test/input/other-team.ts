/** A team beside the lab's, with one of each thing of its own, and what it might try with the ids of the lab's team. */
import type { ApiClient } from '../support/api-client.ts';
import { createDroplet } from '../support/droplets.ts';
import { snapshotImage } from '../support/images.ts';
import { publicKey } from '../support/ssh-key.ts';
import { createVolume } from '../support/volumes.ts';
import { type Good, type Lab, order } from './fixtures.ts';

export interface OtherTeam {
  teamId: string;
  api: ApiClient;
  /** Requests with things of its own, but for the one field that names one of the lab's: by operation id and field. */
  naming: Record<string, Attempt>;
}

export interface Attempt extends Good {
  /** The right answer: mostly that there is no such thing. */
  status: number;
}

export async function otherTeam(lab: Lab): Promise<OtherTeam> {
  const { atoll, good } = lab;
  const { api, teamId } = await atoll.newTeam();
  const first = (operation: string) => good[operation]?.params?.[0] ?? '';
  const theirs = {
    droplet: Number(first('droplets_get')),
    image: Number(first('images_update')),
    dropletSnapshot: first('snapshots_delete'),
    key: Number(first('sshKeys_get')),
    volume: first('volumes_get'),
    volumeName: String(good.volumeActions_post?.body?.volume_name),
    volumeSnapshot: first('volumeSnapshots_get_byId'),
    vpc: first('vpcs_get'),
    ip: first('reservedIPs_get'),
    tag: first('tags_get'),
    project: atoll.team.teamId,
  };

  const key = await api.expect(201, 'POST', '/v2/account/keys', { name: 'own', public_key: publicKey() });
  const droplet = await createDroplet(api, { ipv6: true, tags: ['own'] });
  const volume = await createVolume(api);
  const { reserved_ip } = await api.expect(202, 'POST', '/v2/reserved_ips', { region: 'nyc3' });
  const { reserved_ipv6 } = await api.expect(201, 'POST', '/v2/reserved_ipv6', { region_slug: 'nyc3' });
  const image = String(await snapshotImage(atoll, { teamId, type: 'snapshot' }));
  const pool = {
    name: 'own',
    config: { target_number_instances: 1 },
    droplet_template: { ...order, ssh_keys: [key.ssh_key.fingerprint] },
  };
  const { autoscale_pool } = await api.expect(202, 'POST', '/v2/droplets/autoscale', pool);

  const id = String(droplet.id);
  const ip = [reserved_ip.ip];
  const template = (change: object) => ({
    ...pool,
    droplet_template: { ...pool.droplet_template, ...change },
  });
  const selective = (kind: string, value: unknown): Record<string, Attempt> => ({
    [`droplets_destroy_withAssociatedResourcesSelective.${kind}`]: {
      params: [id],
      body: { [kind]: [String(value)] },
      status: 422,
    },
  });
  const resources = (type: string, resource: unknown) => ({
    resources: [{ resource_id: String(resource), resource_type: type }],
  });
  const attach = { type: 'attach', droplet_id: theirs.droplet };
  const assign = { type: 'assign', droplet_id: theirs.droplet };
  const droplets = (change: object, status = 422): Attempt => ({ body: { ...order, ...change }, status });
  const naming: Record<string, Attempt> = {
    'autoscalepools_create.droplet_template': {
      body: template({ ssh_keys: [String(theirs.key)] }),
      status: 422,
    },
    'autoscalepools_create.droplet_template image': {
      body: template({ image: String(theirs.image) }),
      status: 422,
    },
    'autoscalepools_create.droplet_template vpc_uuid': {
      body: template({ vpc_uuid: theirs.vpc }),
      status: 422,
    },
    'autoscalepools_update.droplet_template': {
      params: [autoscale_pool.id],
      body: template({ ssh_keys: [String(theirs.key)] }),
      status: 422,
    },
    'autoscalepools_update.droplet_template image': {
      params: [autoscale_pool.id],
      body: template({ image: String(theirs.image) }),
      status: 422,
    },
    'dropletActions_post.image': {
      params: [id],
      body: { type: 'rebuild', image: theirs.image },
      status: 422,
    },
    'dropletActions_post.image restore': {
      params: [id],
      body: { type: 'restore', image: Number(theirs.dropletSnapshot) },
      status: 422,
    },
    'dropletActions_post_byTag.image': {
      query: 'tag_name=own',
      body: { type: 'rebuild', image: theirs.image },
      status: 422,
    },
    'dropletActions_post_byTag.tag_name': {
      query: `tag_name=${theirs.tag}`,
      body: { type: 'power_off' },
      status: 404,
    },
    'droplets_create.image': droplets({ image: theirs.image }),
    'droplets_create.image snapshot': droplets({ image: Number(theirs.dropletSnapshot) }),
    'droplets_create.ssh_keys': droplets({ ssh_keys: [theirs.key] }),
    'droplets_create.volumes': droplets({ volumes: [theirs.volume] }),
    'droplets_create.volumes name': droplets({ volumes: [{ name: theirs.volumeName }] }),
    'droplets_create.vpc_uuid': droplets({ vpc_uuid: theirs.vpc }),
    // Each team has its own of a name.
    'droplets_create.tags': droplets({ tags: [theirs.tag] }, 202),
    'droplets_destroy_byTag.tag_name': { query: `tag_name=${theirs.tag}`, status: 204 },
    'droplets_list.tag_name': { query: `tag_name=${theirs.tag}`, status: 200 },
    ...selective('reserved_ips', theirs.ip),
    ...selective('floating_ips', theirs.ip),
    ...selective('snapshots', theirs.dropletSnapshot),
    ...selective('volumes', theirs.volume),
    ...selective('volume_snapshots', theirs.volumeSnapshot),
    'floatingIPsAction_post.droplet_id': { params: ip, body: assign, status: 422 },
    'floatingIPs_create.droplet_id': { body: { droplet_id: theirs.droplet }, status: 422 },
    'floatingIPs_create.project_id': { body: { region: 'nyc3', project_id: theirs.project }, status: 422 },
    'images_create_custom.tags': {
      body: { name: 'own', url: 'https://images.example.com/own.raw', region: 'nyc3', tags: [theirs.tag] },
      status: 202,
    },
    'images_list.tag_name': { query: `tag_name=${theirs.tag}`, status: 200 },
    ...Object.fromEntries(
      ['accept', 'cancel', 'decline'].map((way): [string, Attempt] => {
        const transfer_id = good[`images_post_account_transfer_${way}`]?.body?.transfer_id;
        const body = { transfer_id, ...(way === 'accept' && { recipient_uuid: teamId }) };
        return [`images_post_account_transfer_${way}.transfer_id`, { params: [image], body, status: 404 }];
      }),
    ),
    'reservedIPsActions_post.droplet_id': { params: ip, body: assign, status: 422 },
    'reservedIPs_create.droplet_id': { body: { droplet_id: theirs.droplet }, status: 422 },
    'reservedIPs_create.project_id': { body: { region: 'nyc3', project_id: theirs.project }, status: 422 },
    'reservedIPv6Actions_post.droplet_id': { params: [reserved_ipv6.ip], body: assign, status: 422 },
    'tags_assign_resources.resources': {
      params: ['own'],
      body: resources('droplet', theirs.droplet),
      status: 404,
    },
    'tags_assign_resources.resources image': {
      params: ['own'],
      body: resources('image', theirs.image),
      status: 404,
    },
    'tags_assign_resources.resources volume': {
      params: ['own'],
      body: resources('volume', theirs.volume),
      status: 404,
    },
    'tags_assign_resources.resources volume_snapshot': {
      params: ['own'],
      body: resources('volume_snapshot', theirs.volumeSnapshot),
      status: 404,
    },
    // Off what does not have the tag, nothing is taken.
    'tags_unassign_resources.resources': {
      params: ['own'],
      body: resources('droplet', theirs.droplet),
      status: 204,
    },
    'volumeActions_post.volume_name': {
      body: { type: 'resize', size_gigabytes: 100, volume_name: theirs.volumeName, region: 'nyc3' },
      status: 404,
    },
    'volumeActions_post.droplet_id': {
      body: { ...attach, volume_name: volume.name, region: 'nyc3' },
      status: 404,
    },
    'volumeActions_post.tags': {
      body: {
        ...attach,
        volume_name: theirs.volumeName,
        region: 'nyc3',
        droplet_id: droplet.id,
        tags: [theirs.tag],
      },
      status: 404,
    },
    'volumeActions_post_byId.droplet_id': { params: [volume.id], body: attach, status: 404 },
    'volumeActions_post_byId.tags': {
      params: [volume.id],
      body: { ...attach, tags: [theirs.tag] },
      status: 404,
    },
    'volumeSnapshots_create.tags': {
      params: [volume.id],
      body: { name: 'own', tags: [theirs.tag] },
      status: 201,
    },
    'volumes_create.snapshot_id': {
      body: { name: 'copy', size_gigabytes: 10, snapshot_id: theirs.volumeSnapshot },
      status: 422,
    },
    'volumes_create.tags': {
      body: { name: 'tagged', size_gigabytes: 10, region: 'nyc3', tags: [theirs.tag] },
      status: 201,
    },
    'volumes_delete_byName.name': { query: `name=${theirs.volumeName}&region=nyc3`, status: 404 },
    'volumes_list.name': { query: `name=${theirs.volumeName}`, status: 200 },
  };
  return { teamId, api, naming };
}

/** Fields that name nothing of a team's, wherever they stand. */
export const namesNothing = new Set([
  'backup_policy',
  'backups',
  'config',
  'description',
  'disk',
  'distribution',
  'filesystem_label',
  'filesystem_type',
  'ipv6',
  'kernel',
  'monitoring',
  'names',
  'page',
  'per_page',
  'private',
  'private_networking',
  'public_key',
  'public_networking',
  'recipient_email',
  'recipient_uuid',
  'region',
  'region_slug',
  'resource_type',
  'size',
  'size_gigabytes',
  'type',
  'url',
  'user_data',
  'with_droplet_agent',
]);
/** A name finds something in these only; elsewhere it is what a thing is to be called, or a filter of the own ones. */
export const foundByName = new Set(['volumes_delete_byName', 'volumes_list']);
