/** @digitalocean/dots, DigitalOcean's own TypeScript client, generated from its published document, over real HTTP. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { publicKey } from '../support/ssh-key.ts';
import { until } from '../support/until.ts';
import { type ListeningAtoll, listeningAtoll } from './listening.ts';

// Its package holds TypeScript sources that do not pass the settings of this house, so its types stay outside.
// oxlint-disable-next-line typescript/no-explicit-any -- for the same reason
type Untyped = any;

let listening: ListeningAtoll;
let v2: Untyped;
beforeAll(async () => {
  const load = (name: string): Promise<Untyped> => import(name);
  const { createDigitalOceanClient } = await load('@digitalocean/dots');
  const { DigitalOceanApiKeyAuthenticationProvider } = await load(
    '@digitalocean/dots/src/dots/DigitalOceanApiKeyAuthenticationProvider.js',
  );
  const { FetchRequestAdapter } = await load('@microsoft/kiota-http-fetchlibrary');
  listening = await listeningAtoll();
  const adapter = new FetchRequestAdapter(new DigitalOceanApiKeyAuthenticationProvider(listening.token));
  adapter.baseUrl = listening.origin;
  v2 = createDigitalOceanClient(adapter).v2;
});
afterAll(() => listening?.close());

const order = { region: 'nyc3', size: 's-1vcpu-1gb', image: 'debian-12-x64' };

/** Waits until an action has ended, and fails the test unless it completed. */
async function completed(answer: Untyped): Promise<void> {
  const { id } = answer.action;
  const look = async () => (await v2.actions.byAction_id(id).get()).action.status;
  await until(async () => (await look()) !== 'in-progress', 10_000, `action ${id} ends`);
  expect(await look()).toBe('completed');
}

async function droplet(name: string, extra: object = {}): Promise<number> {
  const { id } = (await v2.droplets.post({ ...order, name, ...extra })).droplet;
  const look = async () => (await v2.droplets.byDroplet_id(id).get()).droplet;
  await until(async () => (await look()).status === 'active' && !(await look()).locked);
  return id;
}

const notFound = { responseStatusCode: 404 };

it('the account, regions, sizes and 1-Clicks', async () => {
  expect((await v2.account.get()).account).toMatchObject({ status: 'active', emailVerified: true });
  const { regions } = await v2.regions.get({ queryParameters: { perPage: 200 } });
  expect(regions.map(({ slug }: { slug: string }) => slug)).toContain('fra1');
  expect((await v2.sizes.get({ queryParameters: { perPage: 5 } })).sizes).toHaveLength(5);
  const { oneClicks } = await v2.oneClicks.get({ queryParameters: { type: 'droplet' } });
  expect(oneClicks).toContainEqual(expect.objectContaining({ slug: 'docker-20-04', type: 'droplet' }));
});

it('the life of an SSH key', async () => {
  const { sshKey } = await v2.account.keys.post({ name: 'mine', publicKey: publicKey() });
  const key = v2.account.keys.bySsh_key_identifier(sshKey.id);
  await key.put({ name: 'renamed' });
  expect((await key.get()).sshKey).toMatchObject({ name: 'renamed', fingerprint: sshKey.fingerprint });
  await key.delete();
  await expect(key.get()).rejects.toMatchObject(notFound);
});

it('the life of a droplet', async () => {
  const id = await droplet('life', { ipv6: true, tags: ['life'] });
  const one = v2.droplets.byDroplet_id(id);
  const act = async (body: object) => completed(await one.actions.post(body));
  await act({ type: 'reboot' });
  await act({ type: 'rename', name: 'renamed' });
  await act({ type: 'shutdown' });
  await act({ type: 'resize', disk: false, size: 's-1vcpu-2gb' });
  await act({ type: 'power_on' });
  await act({ type: 'password_reset' });
  // By id: this client sends the slug of an image without its quotes.
  const { image } = await v2.images.byImage_id('debian-13-x64').get();
  await act({ type: 'rebuild', image: image.id });
  await act({ type: 'enable_backups' });
  const seen = (await one.get()).droplet;
  expect(seen.image.slug).toBe('debian-13-x64');
  expect(seen).toMatchObject({ name: 'renamed', memory: 2048, vcpus: 1, sizeSlug: 's-1vcpu-2gb' });
  expect(seen.createdAt).toBeInstanceOf(Date);
  expect(seen.networks.v6).toHaveLength(1);
  expect(seen.features).toEqual(expect.arrayContaining(['ipv6', 'backups']));
  expect((await one.actions.get()).actions.length).toBeGreaterThan(8);
  const { droplets } = await v2.droplets.get({ queryParameters: { tagName: 'life' } });
  expect(droplets).toHaveLength(1);
  await one.delete();
  await expect(one.get()).rejects.toMatchObject(notFound);
});

it('an error says what was wrong', async () => {
  await expect(v2.droplets.post({ ...order, name: 'x', size: 'none' })).rejects.toMatchObject({
    responseStatusCode: 422,
    id: 'unprocessable_entity',
  });
});

it('a snapshot of a droplet: its image, a droplet of it, and its end', async () => {
  const id = await droplet('kept');
  await completed(await v2.droplets.byDroplet_id(id).actions.post({ type: 'snapshot', name: 'kept-1' }));
  const { snapshots } = await v2.snapshots.get({ queryParameters: { resourceType: 'droplet' } });
  expect(snapshots).toMatchObject([{ name: 'kept-1', resourceId: String(id), minDiskSize: 25 }]);
  const image = Number(snapshots[0].id);
  await v2.images.byImage_id(image).put({ name: 'kept-2' });
  expect((await v2.images.byImage_id(image).get()).image).toMatchObject({ name: 'kept-2' });
  await droplet('copy', { image });
  await v2.snapshots.bySnapshot_id(String(image)).delete();
  await expect(v2.images.byImage_id(image).get()).rejects.toMatchObject(notFound);
});

it('public images: distributions and applications', async () => {
  const slugs = async (type: string) => {
    const { images } = await v2.images.get({ queryParameters: { type, perPage: 200 } });
    return images.map(({ slug }: { slug: string }) => slug);
  };
  expect(await slugs('distribution')).toContain('debian-12-x64');
  expect(await slugs('application')).toContain('wordpress-20-04');
});

it('the life of a volume', async () => {
  const dropletId = await droplet('with-volume');
  const wanted = { name: 'data', region: 'nyc3', sizeGigabytes: 10, filesystemType: 'ext4' };
  const { id } = (await v2.volumes.post(wanted)).volume;
  const volume = v2.volumes.byVolume_id(id);
  const act = async (body: object) => completed(await volume.actions.post({ region: 'nyc3', ...body }));
  await act({ type: 'attach', dropletId });
  expect((await volume.get()).volume.dropletIds).toEqual([dropletId]);
  await act({ type: 'resize', sizeGigabytes: 20 });
  const { snapshot } = await volume.snapshots.post({ name: 'data-1' });
  expect((await volume.snapshots.get()).snapshots).toHaveLength(1);
  await act({ type: 'detach', dropletId });
  expect((await volume.get()).volume).toMatchObject({ dropletIds: [], sizeGigabytes: 20 });
  await v2.volumes.snapshots.bySnapshot_id(snapshot.id).delete();
  await volume.delete();
  await expect(volume.get()).rejects.toMatchObject(notFound);
});

it('the life of a reserved IP', async () => {
  const dropletId = await droplet('behind');
  const { ip } = (await v2.reserved_ips.post({ region: 'nyc3' })).reservedIp;
  const reserved = v2.reserved_ips.byReserved_ip(ip);
  await completed(await reserved.actions.post({ type: 'assign', dropletId }));
  expect((await reserved.get()).reservedIp.droplet.id).toBe(dropletId);
  await completed(await reserved.actions.post({ type: 'unassign' }));
  expect((await reserved.get()).reservedIp.droplet.id).toBeUndefined();
  await reserved.delete();
  await expect(reserved.get()).rejects.toMatchObject(notFound);
});

it('tags', async () => {
  const id = await droplet('tagged');
  await v2.tags.post({ name: 'blue' });
  const resources = [{ resourceId: String(id), resourceType: 'droplet' }];
  await v2.tags.byTag_id('blue').resources.post({ resources });
  expect((await v2.droplets.byDroplet_id(id).get()).droplet.tags).toEqual(['blue']);
  await v2.tags.byTag_id('blue').resources.delete({ resources });
  await v2.tags.byTag_id('blue').delete();
  expect((await v2.droplets.byDroplet_id(id).get()).droplet.tags).toEqual([]);
});
