import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { snapshotImage } from '../support/images.ts';
import { watchQueries } from '../support/queries.ts';
import { volumeOrder } from '../support/volumes.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll();
});
afterAll(() => atoll.close());

const order = { name: 'tagged', region: 'nyc3', size: 's-1vcpu-1gb', image: 'debian-12-x64' };
const create = (name: string) => atoll.api.expect(201, 'POST', '/v2/tags', { name });
const get = async (name: string) => (await atoll.api.expect(200, 'GET', `/v2/tags/${name}`)).tag;
const droplet = async (tags: string[] = []): Promise<{ id: number; tags: string[] }> =>
  (await atoll.api.expect(202, 'POST', '/v2/droplets', { ...order, tags })).droplet;
const tagsOf = async (id: number): Promise<string[]> =>
  (await atoll.api.expect(200, 'GET', `/v2/droplets/${id}`)).droplet.tags;
const resources = (...ids: (number | string)[]) => ({
  resources: ids.map((id) => ({ resource_id: String(id), resource_type: 'droplet' })),
});

describe('a tag', () => {
  it('is made once, keeps its spelling, and is found whatever the case', async () => {
    expect((await create('Env:Prod_1-a')).tag).toMatchObject({
      name: 'Env:Prod_1-a',
      resources: { count: 0 },
    });
    expect((await create('ENV:PROD_1-A')).tag.name).toBe('Env:Prod_1-a');
    expect((await get('env:prod_1-a')).name).toBe('Env:Prod_1-a');
    expect((await get('env%3Aprod_1-a')).resources).toMatchObject({
      count: 0,
      droplets: { count: 0 },
      images: { count: 0 },
      volumes: { count: 0 },
    });
  });

  it('is made by the order of a droplet, and counts it', async () => {
    const first = await droplet(['implicit', 'Implicit']);
    expect(first.tags).toEqual(['implicit']);
    const second = await droplet(['IMPLICIT']);
    const uri = `http://localhost:80/v2/droplets/${second.id}`;
    expect((await get('implicit')).resources).toMatchObject({
      count: 2,
      last_tagged_uri: uri,
      droplets: { count: 2, last_tagged_uri: uri },
    });
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${second.id}`);
    expect((await get('implicit')).resources.count).toBe(1);
  });

  it('is put on droplets and taken off, by a DELETE with a body', async () => {
    await create('moving');
    const [a, b] = [await droplet(), await droplet(['other'])];
    await atoll.api.expect(204, 'POST', '/v2/tags/moving/resources', resources(a.id, b.id, a.id));
    await atoll.api.expect(204, 'POST', '/v2/tags/moving/resources', resources(a.id));
    expect([await tagsOf(a.id), await tagsOf(b.id)]).toEqual([['moving'], ['moving', 'other']]);
    await atoll.api.expect(204, 'DELETE', '/v2/tags/moving/resources', resources(a.id, 1));
    expect([await tagsOf(a.id), await tagsOf(b.id)]).toEqual([[], ['moving', 'other']]);
  });

  it('is put on all or on none', async () => {
    await create('together');
    const { id } = await droplet();
    const { api } = await atoll.newTeam();
    const foreign = (await api.expect(202, 'POST', '/v2/droplets', order)).droplet;
    for (const wrong of [1, foreign.id, 'abc', '9'.repeat(255)]) {
      const refused = await atoll.api.expect(
        404,
        'POST',
        '/v2/tags/together/resources',
        resources(id, wrong),
      );
      expect(refused.message).toContain('resources[1]');
    }
    expect(await tagsOf(id)).toEqual([]);
  });

  it('that is not there is made by putting it on a droplet, as doctl does', async () => {
    const { id } = await droplet();
    await atoll.api.expect(204, 'POST', '/v2/tags/made:now/resources', resources(id));
    expect(await tagsOf(id)).toEqual(['made:now']);
    const refused = await atoll.api.expect(422, 'POST', '/v2/tags/no%20name/resources', resources(id));
    expect(refused.message).toMatch(/^tag may have letters/);
    await atoll.api.expect(404, 'POST', '/v2/tags/never/resources', resources(1));
    await atoll.api.expect(404, 'GET', '/v2/tags/never');
  });

  it('that is deleted leaves its droplets', async () => {
    const { id } = await droplet(['doomed', 'staying']);
    await atoll.api.expect(204, 'DELETE', '/v2/tags/DOOMED');
    expect(await tagsOf(id)).toEqual(['staying']);
    await atoll.api.expect(404, 'GET', '/v2/tags/doomed');
    await atoll.api.expect(404, 'DELETE', '/v2/tags/doomed');
    await atoll.api.expect(404, 'DELETE', '/v2/tags/doomed/resources', resources(id));
  });

  it('of another team is not there, and each team has its own of a name', async () => {
    await create('shared');
    const { id } = await droplet(['shared']);
    const { api } = await atoll.newTeam();
    await api.expect(404, 'GET', '/v2/tags/shared');
    await api.expect(404, 'DELETE', '/v2/tags/shared');
    await api.expect(404, 'DELETE', '/v2/tags/shared/resources', resources(id));
    await api.expect(201, 'POST', '/v2/tags', { name: 'shared' });
    expect((await api.expect(200, 'GET', '/v2/droplets?tag_name=shared')).droplets).toEqual([]);
    await api.expect(404, 'POST', '/v2/tags/shared/resources', resources(id));
    await api.expect(204, 'DELETE', '/v2/tags/shared/resources', resources(id));
    expect(await tagsOf(id)).toEqual(['shared']);
  });

  it('shows the numbers of what the token may read', async () => {
    await droplet(['counted']);
    const reader = await atoll.clientWith(['tag:read']);
    const { tag } = await reader.expect(200, 'GET', '/v2/tags/counted');
    expect(tag.resources).toEqual({ count: 0 });
  });

  it('is put on many droplets that are looked for with one statement', async () => {
    const { api } = await atoll.newTeam();
    const names = Array.from({ length: 10 }, (_, n) => `many-${n}`);
    const { droplets } = await api.expect(202, 'POST', '/v2/droplets', { ...order, name: undefined, names });
    const ids = droplets.map(({ id }: { id: number }) => id);
    const watched = watchQueries(atoll.database);
    await api.expect(204, 'POST', '/v2/tags/many/resources', resources(...ids));
    const looked = watched.texts.filter((text) => /from "droplets".* for no key update/.test(text));
    expect(looked).toHaveLength(1);
    expect((await api.expect(200, 'GET', '/v2/droplets?tag_name=many')).meta.total).toBe(10);
  });

  it('is on the resource, however its id was written', async () => {
    const { id } = await droplet();
    const { volume } = await atoll.api.expect(201, 'POST', '/v2/volumes', volumeOrder);
    const written = [
      { resource_id: `000${id}`, resource_type: 'droplet' },
      { resource_id: String(id), resource_type: 'droplet' },
      { resource_id: volume.id.toUpperCase(), resource_type: 'volume' },
    ];
    await atoll.api.expect(204, 'POST', '/v2/tags/spelt/resources', { resources: written });
    expect(await tagsOf(id)).toEqual(['spelt']);
    expect((await get('spelt')).resources.count).toBe(2);
    expect((await atoll.api.expect(200, 'GET', `/v2/volumes/${volume.id}`)).volume.tags).toEqual(['spelt']);
    await atoll.api.expect(204, 'DELETE', '/v2/tags/spelt/resources', { resources: written });
    expect((await get('spelt')).resources.count).toBe(0);
  });

  it.each(['volumes', 'volume_snapshots', 'images'] as const)(
    'cannot come upon one of %s that is being deleted',
    async (table) => {
      const { api, teamId } = await atoll.newTeam();
      const ofTable = {
        volumes: async () => (await api.expect(201, 'POST', '/v2/volumes', volumeOrder)).volume.id,
        volume_snapshots: async () => {
          const { volume } = await api.expect(201, 'POST', '/v2/volumes', volumeOrder);
          const path = `/v2/volumes/${volume.id}/snapshots`;
          return (await api.expect(201, 'POST', path, { name: 'kept' })).snapshot.id;
        },
        images: () => snapshotImage(atoll, { teamId, type: 'snapshot' }),
      };
      const type = { volumes: 'volume', volume_snapshots: 'volume_snapshot', images: 'image' }[table];
      const id = await ofTable[table]();
      const deleting = await atoll.database.store.pool.connect();
      await deleting.query('begin');
      await deleting.query(`update ${table} set deleted_at = now() where id = $1`, [id]);
      const tagging = api.call('POST', '/v2/tags/late/resources', {
        resources: [{ resource_id: String(id), resource_type: type }],
      });
      await new Promise((resolve) => setTimeout(resolve, 100));
      await deleting.query('commit');
      deleting.release();
      expect((await tagging).status).toBe(404);
    },
  );

  it('made by many requests at once is one', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => create('raced')));
    expect(new Set(answers.map(({ tag }) => tag.name))).toEqual(new Set(['raced']));
    await Promise.all(
      Array.from({ length: 4 }, (_, n) => droplet(['r-a', 'r-b', 'r-c'].toSorted(() => (n % 2) - 0.5))),
    );
    expect((await get('r-b')).resources.droplets.count).toBe(4);
  });
});

it('tags are listed in pages', async () => {
  const { api } = await atoll.newTeam();
  const names = ['one', 'two', 'three'];
  for (const name of names) await api.expect(201, 'POST', '/v2/tags', { name });
  const { tags, meta, links } = await api.expect(200, 'GET', '/v2/tags?per_page=2');
  expect(tags.map(({ name }: { name: string }) => name)).toEqual(['one', 'two']);
  expect(meta.total).toBe(3);
  const rest = await api.expect(200, 'GET', links.pages.next.replace('http://localhost:80', ''));
  expect(rest.tags.map(({ name }: { name: string }) => name)).toEqual(['three']);
});
