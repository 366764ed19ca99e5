/** Pages of very many droplets: whatever was deleted, and whatever is made and deleted meanwhile, they are right. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { order } from '../support/droplets.ts';

let atoll: TestAtoll;
/** The ids of the team's droplets, and of those with the tag, as they are in the table. */
let all: number[];
let tagged: number[];

const query = async <Row extends object>(text: string) =>
  (await atoll.database.store.pool.query<Row>(text)).rows;
const idsOf = async (where: string) =>
  (
    await query<{ id: number }>(`select id from droplets where deleted_at is null and ${where} order by id`)
  ).map(({ id }) => id);
const withTag = "id in (select resource_id::bigint from taggings where resource_type = 'droplet')";

/** The pattern's likes, each at its place behind the newest droplet; every third has the tag. */
const more = (count: number) => `
  with made as (
    insert into droplets (team_id, name, region, size, image_id, vpc_id, features, public_keys, public_ipv4, private_ipv4,
      created_at, status, root_done)
    select team_id, 'web-' || n, region, size, image_id, vpc_id, features, public_keys, public_ipv4, private_ipv4,
      created_at, status, root_done
    from (select * from droplets order by id limit 1) pattern, generate_series(1, ${count}) n
    returning id, created_at
  )
  insert into taggings (tag_id, resource_type, resource_id, tagged_at)
  select tags.id, 'droplet', made.id::text, made.created_at from tags, made where made.id % 3 = 0`;
/** As a delete does it: the tags go with the droplet. */
const less = (where: string) => `
  with gone as (update droplets set deleted_at = now() where deleted_at is null and ${where} returning id)
  delete from taggings where resource_type = 'droplet' and resource_id in (select id::text from gone)`;

async function page(parameters: string): Promise<{ ids: number[]; total: number }> {
  const { droplets, meta } = await atoll.api.expect(200, 'GET', `/v2/droplets?${parameters}`);
  return { ids: droplets.map(({ id }: { id: number }) => id), total: meta.total };
}

beforeAll(async () => {
  atoll = await startAtoll();
  await atoll.api.expect(202, 'POST', '/v2/droplets', { ...order, tags: ['web'] });
  // Ids of several blocks, with a block that is nearly empty and one that has none.
  await query(more(9000));
  await query(less('id % 7 = 1'));
  await query(less('id / 2048 = (select min(id) / 2048 + 2 from droplets) and id % 2048 > 5'));
  await query(less('id / 2048 = (select min(id) / 2048 + 3 from droplets)'));
  all = await idsOf('true');
  tagged = await idsOf(withTag);
});
afterAll(() => atoll.close());

describe('pages of thousands of droplets', () => {
  it.each([
    ['all', '', () => all],
    ['those with a tag', '&tag_name=WEB', () => tagged],
  ])('are right anywhere: %s', async (_name, filter, expected) => {
    const ids = expected();
    const pages = Math.ceil(ids.length / 200);
    for (let number = 1; number <= pages + 1; number++) {
      expect(await page(`per_page=200&page=${number}${filter}`)).toEqual({
        ids: ids.slice((number - 1) * 200, number * 200),
        total: ids.length,
      });
    }
    expect((await page(`page=1000000${filter}`)).ids).toEqual([]);
  });

  it('are right by name', async () => {
    await query("update droplets set name = 'twin' where deleted_at is null");
    for (const number of [1, 7]) {
      expect(await page(`per_page=200&page=${number}&name=twin`)).toEqual({
        ids: all.slice((number - 1) * 200, number * 200),
        total: all.length,
      });
    }
    expect((await page('name=twins')).total).toBe(0);
  });

  it('are no longer than any page where a droplet has thousands of neighbours', async () => {
    const [own = 0, ...others] = all;
    const path = `/v2/droplets/${own}/neighbors`;
    const neighbours = async (parameters: string) => {
      const { droplets, links, meta } = await atoll.api.expect(200, 'GET', path + parameters);
      return { ids: droplets.map(({ id }: { id: number }) => id), links, total: meta.total };
    };
    expect(await neighbours('')).toMatchObject({ ids: others.slice(0, 200), total: others.length });
    expect((await neighbours('?per_page=50&page=3')).ids).toEqual(others.slice(100, 150));
    expect((await neighbours('?page=2')).ids).toEqual(others.slice(200, 400));
    expect((await neighbours('')).links.pages.next).toContain(`${path}?page=2`);
    const elsewhere = await atoll.api.expect(202, 'POST', '/v2/droplets', { ...order, region: 'fra1' });
    const far = await atoll.api.expect(200, 'GET', `/v2/droplets/${elsewhere.droplet.id}/neighbors`);
    expect(far).toMatchObject({ droplets: [], meta: { total: 0 } });
    all = await idsOf('true');
  });

  it('are whole while others are made and deleted', async () => {
    const ended = new AbortController();
    const change = async (nth: number) => {
      for (let turn = 0; turn < 15; turn++) {
        await query(more(40));
        await query(less(`id % 61 = ${nth * 15 + turn}`));
        const client = await atoll.database.store.pool.connect();
        await client.query(`begin; ${more(30)}; rollback`);
        client.release();
      }
    };
    const look = async () => {
      for (let turn = 0; !ended.signal.aborted; turn++) {
        const filter = turn % 2 === 0 ? '' : '&tag_name=web';
        const number = 1 + ((turn * 7) % 40);
        const { ids, total } = await page(`per_page=100&page=${number}${filter}`);
        expect(ids.length).toBe(Math.max(0, Math.min(100, total - (number - 1) * 100)));
        expect(ids).toEqual(ids.toSorted((a, b) => a - b));
      }
    };
    const looking = look();
    await Promise.all([change(0), change(1)]);
    ended.abort();
    await looking;
    expect((await page('')).total).toBe((await idsOf('true')).length);
    expect((await page('tag_name=web')).total).toBe((await idsOf(withTag)).length);
  });

  it('forget a tag with its counts', async () => {
    await atoll.api.expect(204, 'DELETE', '/v2/tags/web');
    expect(await page('tag_name=web')).toEqual({ ids: [], total: 0 });
    expect(await query("select from droplet_blocks where list like 'tag:%'")).toEqual([]);
  });
});
