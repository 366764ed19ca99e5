/** Images of a team's own through the API, over the simulated world. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { wake } from '../../src/control/reconcile.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended } from '../support/droplets.ts';
import { snapshotImage } from '../support/images.ts';
import { until } from '../support/until.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll();
});
afterAll(() => atoll.close());

const source = 'https://images.example.com/tiny.qcow2';
const order = { name: 'mine', url: source, region: 'nyc3', distribution: 'Debian', description: 'own' };
const image = async (id: number | string) => (await atoll.api.expect(200, 'GET', `/v2/images/${id}`)).image;
const listed = async (query: string): Promise<number[]> =>
  (await atoll.api.expect(200, 'GET', `/v2/images?per_page=200&${query}`)).images.map(
    ({ id }: { id: number }) => id,
  );

/** Imports an image and waits until it is there. */
async function imported(extra: object = {}): Promise<number> {
  const answer = await atoll.api.expect(202, 'POST', '/v2/images', { ...order, ...extra });
  await until(async () => (await image(answer.image.id)).status === 'available');
  return answer.image.id;
}

describe('a custom image', () => {
  it('is NEW when it is ordered, and available when it is imported', async () => {
    const { image: ordered } = await atoll.api.expect(202, 'POST', '/v2/images', {
      ...order,
      tags: ['Base', 'base'],
    });
    expect(ordered).toMatchObject({
      name: 'mine',
      type: 'custom',
      status: 'NEW',
      public: false,
      slug: null,
      distribution: 'Debian',
      description: 'own',
      regions: ['nyc3'],
      tags: ['Base'],
      error_message: '',
    });
    await until(async () => (await image(ordered.id)).status === 'available');
    const there = await image(ordered.id);
    expect(there.min_disk_size).toBeGreaterThan(0);
    expect(there.size_gigabytes).toBeGreaterThan(0);
    expect(await atoll.compute.images()).toContain(`custom-${ordered.id}`);
    const { tag } = await atoll.api.expect(200, 'GET', '/v2/tags/base');
    expect(tag.resources.images.count).toBe(1);
  });

  it('makes droplets, which stay when it is deleted', async () => {
    const id = await imported();
    const droplet = await createDroplet(atoll.api, { image: id });
    expect(droplet).toMatchObject({ status: 'active', image: { id, name: 'mine', type: 'custom' } });
    await atoll.api.expect(204, 'DELETE', `/v2/images/${id}`);
    await atoll.api.expect(404, 'GET', `/v2/images/${id}`);
    await until(async () => !(await atoll.compute.images()).includes(`custom-${id}`));
    const { droplet: after } = await atoll.api.expect(200, 'GET', `/v2/droplets/${droplet.id}`);
    expect(after).toMatchObject({ status: 'active', image: { id, status: 'deleted' } });
  });

  it('that cannot be imported says why, as terraform reads it, and can be deleted', async () => {
    const url = 'https://images.example.com/broken.qcow2';
    atoll.importer.refuse(url, 'It is a broken qcow2 disk.');
    const { image: ordered } = await atoll.api.expect(202, 'POST', '/v2/images', { ...order, url });
    await until(async () => (await image(ordered.id)).status === 'deleted');
    expect((await image(ordered.id)).error_message).toBe('It is a broken qcow2 disk.');
    const refused = await atoll.api.expect(422, 'POST', '/v2/droplets', {
      name: 'web',
      region: 'nyc3',
      size: 's-1vcpu-1gb',
      image: ordered.id,
    });
    expect(refused.message).toContain('It is a broken qcow2 disk.');
    await atoll.api.expect(204, 'DELETE', `/v2/images/${ordered.id}`);
    await atoll.api.expect(404, 'GET', `/v2/images/${ordered.id}`);
  });

  it.each([
    ['url', 'ftp://example.com/x'],
    ['url', 'file:///etc/passwd'],
    ['url', 'no address'],
    ['url', 'https://user:secret@example.com/x'],
    ['region', 'mars1'],
    ['distribution', 'x'.repeat(256)],
    ['name', 'x'.repeat(256)],
    ['tags', ['no good']],
  ])('is refused with %s %j', async (field, value) => {
    const { message } = await atoll.api.expect(422, 'POST', '/v2/images', { ...order, [field]: value });
    expect(message).toContain(field);
    expect(message).not.toContain('secret');
  });
});

describe('images of a team’s own', () => {
  it('are changed field by field', async () => {
    const id = await imported();
    const put = async (body: object) => (await atoll.api.expect(200, 'PUT', `/v2/images/${id}`, body)).image;
    expect(await put({ name: 'renamed' })).toMatchObject({ name: 'renamed', distribution: 'Debian' });
    expect(await put({ distribution: 'Ubuntu', description: 'new' })).toMatchObject({
      name: 'renamed',
      distribution: 'Ubuntu',
      description: 'new',
    });
    expect(await image(id)).toMatchObject({ name: 'renamed', distribution: 'Ubuntu' });
  });

  it('lose their description to an empty one, and keep it where none is given', async () => {
    const id = await imported();
    const put = async (body: object) => (await atoll.api.expect(200, 'PUT', `/v2/images/${id}`, body)).image;
    expect((await put({ name: 'named', description: null })).description).toBe('own');
    expect(await put({ description: '' })).toMatchObject({ name: 'named', description: '' });
    expect((await image(id)).description).toBe('');
    // godo sends what its caller left out of the others as "".
    const same = await put({ name: '', distribution: '', description: 'again' });
    expect(same).toMatchObject({ name: 'named', distribution: 'Debian', description: 'again' });
    await atoll.api.expect(422, 'PUT', `/v2/images/${id}`, { name: '', distribution: '' });
  });

  it.each([
    ['Unknown OS', 'Unknown'],
    ['talos', 'Unknown'],
    ['Windows', 'Unknown'],
    ['ubuntu', 'Ubuntu'],
    ['Rocky Linux', 'Rocky Linux'],
    ['', 'Unknown'],
    [undefined, 'Unknown'],
  ])('are of the distribution %j, which is shown as %s', async (distribution, shown) => {
    const answer = await atoll.api.expect(202, 'POST', '/v2/images', { ...order, distribution });
    expect(answer.image.distribution).toBe(shown);
    if (!distribution) return;
    const changed = await atoll.api.expect(200, 'PUT', `/v2/images/${answer.image.id}`, { distribution });
    expect(changed.image.distribution).toBe(shown);
  });

  it('are listed beside the public ones, alone, and by tag', async () => {
    const id = await imported({ tags: ['listed'] });
    const [all, own] = [await listed(''), await listed('private=true')];
    expect(all).toContain(id);
    expect(own).toContain(id);
    expect(all.length).toBeGreaterThan(own.length);
    expect(await listed('tag_name=LISTED')).toEqual([id]);
    expect(await listed('type=distribution')).not.toContain(id);
    const applications = await atoll.api.expect(200, 'GET', '/v2/images?type=application');
    expect(applications.images[0]).toMatchObject({ public: true, type: 'snapshot' });
    const ids: number[] = [];
    for (let page = 1; page <= Math.ceil(all.length / 5); page++) {
      const { images } = await atoll.api.expect(200, 'GET', `/v2/images?per_page=5&page=${page}`);
      ids.push(...images.map((each: { id: number }) => each.id));
    }
    expect(ids).toEqual(all);
  });

  it('are nobody else’s', async () => {
    const id = await imported();
    const { api } = await atoll.newTeam();
    await api.expect(404, 'GET', `/v2/images/${id}`);
    await api.expect(404, 'PUT', `/v2/images/${id}`, { name: 'stolen' });
    await api.expect(404, 'DELETE', `/v2/images/${id}`);
    await api.expect(404, 'POST', `/v2/images/${id}/actions`, { type: 'convert' });
    await api.expect(404, 'GET', `/v2/images/${id}/actions`);
    expect((await api.expect(200, 'GET', '/v2/images?private=true')).images).toEqual([]);
    const wanted = { name: 'web', region: 'nyc3', size: 's-1vcpu-1gb', image: id };
    await api.expect(422, 'POST', '/v2/droplets', wanted);
  });

  it('that are public are changed by nobody', async () => {
    const { id } = await image('debian-12-x64');
    await atoll.api.expect(403, 'PUT', `/v2/images/${id}`, { name: 'mine' });
    await atoll.api.expect(403, 'DELETE', `/v2/images/${id}`);
    await atoll.api.expect(403, 'POST', `/v2/images/${id}/actions`, { type: 'convert' });
    expect((await atoll.api.expect(200, 'GET', `/v2/images/${id}/actions`)).actions).toEqual([]);
  });

  it('are deleted once: terraform takes the second answer for success', async () => {
    const id = await imported();
    await atoll.api.expect(204, 'DELETE', `/v2/images/${id}`);
    const { message } = await atoll.api.expect(422, 'DELETE', `/v2/images/${id}`);
    expect(message).toContain('Image Can not delete an already deleted image.');
    await atoll.api.expect(404, 'PUT', `/v2/images/${id}`, { name: 'late' });
  });

  it('that are still taken of a droplet cannot be deleted', async () => {
    const { teamId } = atoll.team;
    const id = await snapshotImage(atoll, { teamId, type: 'snapshot', status: 'pending' });
    const { message } = await atoll.api.expect(422, 'DELETE', `/v2/images/${id}`);
    expect(message).toContain('available');
  });
});

describe('image actions', () => {
  const act = async (id: number, body: object) => {
    const { action } = await atoll.api.expect(201, 'POST', `/v2/images/${id}/actions`, body);
    return ended(atoll.api, action.id);
  };

  it('transfer an image to another region', async () => {
    const id = await imported();
    expect(await act(id, { type: 'transfer', region: 'fra1' })).toMatchObject({
      status: 'completed',
      type: 'transfer',
      resource_type: 'image',
      resource_id: id,
      region_slug: 'fra1',
    });
    await act(id, { type: 'transfer', region: 'fra1' });
    expect((await image(id)).regions).toEqual(['nyc3', 'fra1']);
    const { actions, meta } = await atoll.api.expect(200, 'GET', `/v2/images/${id}/actions`);
    expect(meta.total).toBe(2);
    await atoll.api.expect(200, 'GET', `/v2/images/${id}/actions/${actions[0].id}`);
    await atoll.api.expect(404, 'GET', `/v2/images/${id}/actions/1`);
    await atoll.api.expect(422, 'POST', `/v2/images/${id}/actions`, { type: 'transfer' });
    await atoll.api.expect(422, 'POST', `/v2/images/${id}/actions`, { type: 'transfer', region: 'x' });
  });

  it('convert a backup into a snapshot, and nothing else', async () => {
    const backup = await snapshotImage(atoll, { teamId: atoll.team.teamId, type: 'backup' });
    expect(await act(backup, { type: 'convert' })).toMatchObject({ status: 'completed' });
    expect((await image(backup)).type).toBe('snapshot');
    await atoll.api.expect(422, 'POST', `/v2/images/${backup}/actions`, { type: 'convert' });
    await atoll.api.expect(422, 'POST', `/v2/images/${await imported()}/actions`, { type: 'convert' });
  });
});

describe('where the operator has switched custom images off', () => {
  let off: TestAtoll;
  beforeAll(async () => {
    off = await startAtoll({ imports: false });
  });
  afterAll(() => off.close());

  it('none is ordered, and the answer says why', async () => {
    expect(await off.api.expect(403, 'POST', '/v2/images', order)).toMatchObject({
      id: 'forbidden',
      message: 'This Atoll imports no images: its operator has switched that off.',
    });
    const own = await off.api.expect(200, 'GET', '/v2/images?private=true');
    expect(own.images).toEqual([]);
  });

  it('one that was ordered before is not imported', async () => {
    const { store } = off.database;
    const { id } = await store.db
      .insertInto('images')
      .values({
        team_id: off.team.teamId,
        name: 'before',
        type: 'custom',
        status: 'NEW',
        regions: ['nyc3'],
        min_disk_gib: 0,
        url: source,
        created_at: new Date(),
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    await wake(store.db, 'image', String(id), new Date());
    await off.restart();
    const seen = async () => (await off.api.expect(200, 'GET', `/v2/images/${id}`)).image;
    await until(async () => (await seen()).status === 'deleted' || (await seen()).error_message !== '');
    expect((await seen()).error_message).toContain('switched that off');
  });
});
