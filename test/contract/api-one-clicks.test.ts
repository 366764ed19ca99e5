/** 1-Click applications: listed, ordered as images, and handed to the droplet as vendor data. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { applications } from '../../src/cloud/one-clicks/index.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended } from '../support/droplets.ts';
import { publicKey } from '../support/ssh-key.ts';

let atoll: TestAtoll;
/** Droplets with a key get no password: their vendor data is the application's alone. */
let ssh_keys: string[];
beforeAll(async () => {
  atoll = await startAtoll();
  const body = { name: 'mine', public_key: publicKey() };
  const { ssh_key } = await atoll.api.expect(201, 'POST', '/v2/account/keys', body);
  ssh_keys = [ssh_key.fingerprint];
});
afterAll(() => atoll.close());

const slugs = applications.map(({ slug }) => slug);
const listed = async (query = '') => (await atoll.api.expect(200, 'GET', `/v2/1-clicks${query}`))['1_clicks'];

it('are listed by type, whatever the token may do', async () => {
  const all = slugs.map((slug) => ({ slug, type: 'droplet' }));
  expect(await listed()).toEqual(all);
  expect(await listed('?type=droplet')).toEqual(all);
  expect(await listed('?type=kubernetes')).toEqual([]);
  const narrow = await atoll.clientWith(['tag:read']);
  await narrow.expect(200, 'GET', '/v2/1-clicks');
});

it('are images of type application, by slug and by id', async () => {
  const { images } = await atoll.api.expect(200, 'GET', '/v2/images?type=application&per_page=200');
  expect(images.map(({ slug }: { slug: string }) => slug).sort()).toEqual(slugs.toSorted());
  for (const { id, slug, name } of applications) {
    const { image } = await atoll.api.expect(200, 'GET', `/v2/images/${slug}`);
    expect(image).toMatchObject({
      id,
      slug,
      name,
      distribution: 'Debian',
      public: true,
      status: 'available',
    });
    expect((await atoll.api.expect(200, 'GET', `/v2/images/${id}`)).image).toEqual(image);
  }
});

it.each(applications)('$slug: a droplet of it has its script as vendor data', async (application) => {
  const user_data = '#cloud-config\nruncmd: [true]\n';
  const droplet = await createDroplet(atoll.api, { image: application.slug, ssh_keys, user_data });
  expect(droplet).toMatchObject({ status: 'active', image: { id: application.id, slug: application.slug } });
  expect(atoll.host.metadata(droplet.id)).toMatchObject({
    vendor_data: application.vendorData,
    user_data,
  });
});

it('a droplet that is rebuilt without its application no longer has the script', async () => {
  const { id } = await createDroplet(atoll.api, { image: 'nginx', ssh_keys });
  const body = { type: 'rebuild', image: 'debian-12-x64' };
  const { action } = await atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, body);
  expect(await ended(atoll.api, action.id)).toMatchObject({ status: 'completed' });
  expect(atoll.host.metadata(id)?.vendor_data).toBe('#cloud-config\n{}\n');
});
