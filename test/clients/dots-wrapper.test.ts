/** dots-wrapper, a typed client that others wrote and publish on npm, over real HTTP. */
import { createApiClient } from 'dots-wrapper';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { publicKey } from '../support/ssh-key.ts';
import { until } from '../support/until.ts';
import { type ListeningAtoll, listeningAtoll } from './listening.ts';

let listening: ListeningAtoll;
let dots: ReturnType<typeof createApiClient>;
beforeAll(async () => {
  listening = await listeningAtoll();
  dots = createApiClient({ token: listening.token, endpoint: `${listening.origin}/v2` });
});
afterAll(() => listening?.close());

const order = { region: 'nyc3', size: 's-1vcpu-1gb', image: 'debian-12-x64' };

/** Waits until an action has ended, and fails the test unless it completed. */
async function completed({ data: { action } }: { data: { action: { id: number } } }): Promise<void> {
  const look = async () => (await dots.action.getAction({ action_id: action.id })).data.action;
  await until(async () => (await look()).status !== 'in-progress', 10_000, `action ${action.id} ends`);
  expect(await look()).toMatchObject({ status: 'completed' });
}

async function droplet(name: string, extra: object = {}): Promise<number> {
  const { status, data } = await dots.droplet.createDroplet({ ...order, name, ...extra });
  expect(status).toBe(202);
  const { id } = data.droplet;
  const look = async () => (await dots.droplet.getDroplet({ droplet_id: id })).data.droplet;
  await until(async () => (await look()).status === 'active' && !(await look()).locked);
  return id;
}

const statusOf = (error: { response?: { status: number } }) => error.response?.status;

it('the account, regions and sizes', async () => {
  expect((await dots.account.getAccount()).data.account).toMatchObject({ status: 'active' });
  const { regions } = (await dots.region.listRegions({ per_page: 200 })).data;
  expect(regions.map(({ slug }) => slug)).toContain('fra1');
  const { sizes, links } = (await dots.size.listSizes({ per_page: 5, page: 2 })).data;
  expect(sizes).toHaveLength(5);
  expect(links?.pages?.next).toContain('page=3');
});

it('the life of an SSH key', async () => {
  const { ssh_key } = (await dots.sshKey.createSshKey({ name: 'mine', public_key: publicKey() })).data;
  await dots.sshKey.updateSshKey({ ssh_key_id: ssh_key.id, name: 'renamed' });
  expect((await dots.sshKey.getSshKey({ ssh_key_id: ssh_key.id })).data.ssh_key.name).toBe('renamed');
  expect((await dots.sshKey.destroySshKey({ ssh_key_id: ssh_key.id })).status).toBe(204);
  expect((await dots.sshKey.listSshKeys({})).data.ssh_keys).toEqual([]);
});

it('the life of a droplet', async () => {
  const droplet_id = await droplet('life', { backups: false, ipv6: true, tags: ['life'] });
  await completed(await dots.droplet.rebootDroplet({ droplet_id }));
  await completed(await dots.droplet.renameDroplet({ droplet_id, name: 'renamed' }));
  await completed(await dots.droplet.powerOffDroplet({ droplet_id }));
  await completed(await dots.droplet.resizeDroplet({ droplet_id, size: 's-1vcpu-2gb' }));
  await completed(await dots.droplet.powerOnDroplet({ droplet_id }));
  await completed(await dots.droplet.resetDropletPassword({ droplet_id }));
  await completed(await dots.droplet.rebuildDroplet({ droplet_id, image: 'debian-13-x64' }));
  await completed(await dots.droplet.enableDropletBackups({ droplet_id }));
  const seen = (await dots.droplet.getDroplet({ droplet_id })).data.droplet;
  expect(seen).toMatchObject({ name: 'renamed', memory: 2048, status: 'active', size_slug: 's-1vcpu-2gb' });
  expect(seen.features).toEqual(expect.arrayContaining(['ipv6', 'backups']));
  expect(seen.image).toMatchObject({ slug: 'debian-13-x64' });
  await completed(await dots.droplet.disableDropletBackups({ droplet_id }));

  const { actions } = (await dots.droplet.listDropletActions({ droplet_id })).data;
  expect(actions.map(({ type }) => type)).toEqual(expect.arrayContaining(['create', 'rebuild', 'resize']));
  expect((await dots.droplet.listDroplets({ tag_name: 'life' })).data.droplets).toHaveLength(1);
  expect((await dots.droplet.listDropletNeighbors({ droplet_id })).data.droplets).toBeInstanceOf(Array);
  expect((await dots.droplet.listDropletKernels({ droplet_id })).data.kernels).toBeInstanceOf(Array);
  expect((await dots.droplet.deleteDroplet({ droplet_id })).status).toBe(204);
  expect(await dots.droplet.getDroplet({ droplet_id }).catch(statusOf)).toBe(404);
});

it('several droplets at once, an action on all of a tag, and their end by it', async () => {
  const { data } = await dots.droplet.createDroplets({ ...order, names: ['a', 'b'], tags: ['several'] });
  expect(data.droplets).toHaveLength(2);
  const list = async () => (await dots.droplet.listDroplets({ tag_name: 'several' })).data.droplets;
  await until(async () => (await list()).every(({ status, locked }) => status === 'active' && !locked));
  const { actions } = (await dots.droplet.doActionByDropletTag({ tag_name: 'several', type: 'power_off' }))
    .data;
  for (const action of actions) await completed({ data: { action } });
  await dots.droplet.deleteDropletsByTag({ tag_name: 'several' });
  expect(await list()).toEqual([]);
});

it('a snapshot of a droplet: its image, a droplet of it, and its end', async () => {
  const droplet_id = await droplet('kept');
  await completed(await dots.droplet.snapshotDroplet({ droplet_id, name: 'kept-1' }));
  const [snapshot] = (await dots.droplet.listDropletSnapshots({ droplet_id })).data.snapshots;
  const { snapshots } = (await dots.snapshot.listSnapshots({ resource_type: 'droplet' })).data;
  expect(snapshots).toMatchObject([{ name: 'kept-1', resource_id: String(droplet_id) }]);
  const image_id = Number(snapshot?.id);
  // Not `updateImage`: it sends POST where DigitalOcean has PUT.
  expect((await dots.image.getImage({ image_id })).data.image).toMatchObject({
    name: 'kept-1',
    type: 'snapshot',
  });
  const own = (await dots.image.listImages({ user_images: true })).data.images;
  expect(own.map(({ id }) => id)).toEqual([image_id]);
  const copy = await droplet('copy', { image: image_id });
  await completed(await dots.droplet.restoreDroplet({ droplet_id, image: image_id }));
  for (const id of [copy, droplet_id]) await dots.droplet.deleteDroplet({ droplet_id: id });
  expect((await dots.snapshot.deleteSnapshot({ snapshot_id: image_id })).status).toBe(204);
  expect(await dots.image.getImage({ image_id }).catch(statusOf)).toBe(404);
});

it('public images: distributions and applications', async () => {
  const { images } = (await dots.image.listImages({ per_page: 200, type: 'distribution' })).data;
  expect(images.map(({ slug }) => slug)).toContain('debian-12-x64');
  const applications = (await dots.image.listImages({ per_page: 200, type: 'application' })).data.images;
  expect(applications.map(({ slug }) => slug)).toContain('wordpress-20-04');
});

it('the life of a volume', async () => {
  const droplet_id = await droplet('with-volume');
  const wanted = { name: 'data', region: 'nyc3', size_gigabytes: 10, filesystem_type: 'ext4' };
  const { volume } = (await dots.volume.createVolume(wanted)).data;
  const volume_id = volume.id;
  await completed(await dots.volume.attachVolumeToDroplet({ volume_id, droplet_id, region: 'nyc3' }));
  const volumeOf = async () => (await dots.volume.getVolume({ volume_id })).data.volume;
  expect((await volumeOf()).droplet_ids).toEqual([droplet_id]);
  await completed(await dots.volume.resizeVolume({ volume_id, size_gigabytes: 20, region: 'nyc3' }));
  const { snapshot } = (await dots.volume.createVolumeSnapshot({ volume_id, name: 'data-1' })).data;
  expect((await dots.volume.listVolumeSnapshots({ volume_id })).data.snapshots).toHaveLength(1);
  await completed(await dots.volume.detachVolumeFromDroplet({ volume_id, droplet_id, region: 'nyc3' }));
  expect(await volumeOf()).toMatchObject({ droplet_ids: [], size_gigabytes: 20, filesystem_type: 'ext4' });
  expect((await dots.volume.listVolumeActions({ volume_id })).data.actions).toHaveLength(3);
  expect((await dots.volume.listVolumes({ name: 'data' })).data.volumes).toHaveLength(1);
  await dots.snapshot.deleteSnapshot({ snapshot_id: snapshot.id });
  await dots.volume.deleteVolumeByName({ volume_name: 'data', region: 'nyc3' });
  expect(await dots.volume.getVolume({ volume_id }).catch(statusOf)).toBe(404);
});

it('the life of a floating IP', async () => {
  const droplet_id = await droplet('behind');
  const { floating_ip } = (await dots.floatingIp.createFloatingIp({ region: 'nyc3' })).data;
  const { ip } = floating_ip;
  const settled = async (action: Awaited<ReturnType<typeof dots.floatingIp.assignIpToDroplet>>) =>
    completed(action);
  await settled(await dots.floatingIp.assignIpToDroplet({ ip, droplet_id }));
  const seen = (await dots.floatingIp.getFloatingIp({ ip })).data.floating_ip;
  expect(seen.droplet?.id).toBe(droplet_id);
  await settled(await dots.floatingIp.unassignIpFromDroplet({ ip }));
  expect((await dots.floatingIp.listFloatingIps({})).data.floating_ips).toHaveLength(1);
  expect((await dots.floatingIp.deleteFloatingIp({ ip })).status).toBe(204);
  expect(await dots.floatingIp.getFloatingIp({ ip }).catch(statusOf)).toBe(404);
});

it('tags', async () => {
  const id = await droplet('tagged');
  await dots.tag.createTag({ name: 'blue' });
  const resources = [{ resource_id: String(id), resource_type: 'droplet' as const }];
  await dots.tag.tagResources({ tag_name: 'blue', resources });
  expect((await dots.tag.getTag({ tag_name: 'blue' })).data.tag.resources.droplets.count).toBe(1);
  await dots.tag.untagResources({ tag_name: 'blue', resources });
  expect((await dots.droplet.getDroplet({ droplet_id: id })).data.droplet.tags).toEqual([]);
  expect((await dots.tag.deleteTag({ tag_name: 'blue' })).status).toBe(204);
});
