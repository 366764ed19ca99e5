/** What there is to order, and the account: nothing here changes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';

let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll();
});
afterAll(() => atoll.close());

const get = (path: string) => atoll.api.expect(200, 'GET', path);
const slugsOf = (items: { slug: string }[]) => items.map(({ slug }) => slug);

/** All items of a list, page by page as terraform walks it: until there is no `next`. */
async function walk(path: string, key: string): Promise<{ slug: string }[]> {
  const items: { slug: string }[] = [];
  for (let next: string | undefined = path; next; ) {
    const body: Record<string, never> & { links: { pages?: { next?: string } } } = await get(next);
    items.push(...(body[key] ?? []));
    next = body.links.pages?.next?.replace(/^http:\/\/[^/]+/, '');
  }
  return items;
}

describe('the account', () => {
  it('says whose it is, what it may have, and that its droplets are simulated', async () => {
    const { account } = await get('/v2/account');
    expect(account).toMatchObject({
      droplet_limit: 10_000,
      email_verified: true,
      status: 'active',
      team: { uuid: atoll.team.teamId, name: 'Test (simulated)' },
      uuid: atoll.team.userId,
    });
    expect(account.status_message).toMatch(/simulated/i);
  });

  it('tells doctl what a token is worth', async () => {
    const info = await get('/v1/oauth/token/info');
    expect(info).toMatchObject({ scopes: ['*'], application: { uid: '' } });
    expect(Number.isSafeInteger(info.resource_owner_id)).toBe(true);
  });
});

describe('regions', () => {
  it('are DigitalOcean’s, and have every size', async () => {
    const { regions, meta, links } = await get('/v2/regions?per_page=200');
    expect(slugsOf(regions)).toEqual(expect.arrayContaining(['nyc1', 'nyc3', 'fra1', 'sgp1', 'syd1']));
    expect([meta.total, links]).toEqual([regions.length, {}]);
    const sizes = slugsOf(await walk('/v2/sizes?per_page=200', 'sizes'));
    for (const region of regions) {
      expect(region).toMatchObject({ available: true, sizes });
      expect(region.features).toEqual(expect.arrayContaining(['ipv6', 'private_networking', 'metadata']));
    }
  });
});

describe('sizes', () => {
  it('have the prices and amounts that DigitalOcean asks and gives', async () => {
    const sizes = await walk('/v2/sizes', 'sizes');
    expect(sizes.find(({ slug }) => slug === 's-1vcpu-1gb')).toMatchObject({
      memory: 1024,
      vcpus: 1,
      disk: 25,
      transfer: 1,
      price_monthly: 6,
      available: true,
    });
    expect(new Set(slugsOf(sizes)).size).toBe(sizes.length);
  });
});

const imagesWith = async (query: string) => (await get(`/v2/images?${query}`)).meta.total;

describe('images', () => {
  it('are found by id and by slug, and are the same', async () => {
    const { image } = await get('/v2/images/debian-12-x64');
    expect(image).toMatchObject({
      slug: 'debian-12-x64',
      distribution: 'Debian',
      public: true,
      type: 'snapshot',
    });
    expect((await get(`/v2/images/${image.id}`)).image).toEqual(image);
    expect((await get('/v2/images/ubuntu-22-04-x64')).image.status).toBe('available');
    for (const unknown of ['windows-11', '1', '0', '-1', 'constructor', '__proto__', 'a%2Fb']) {
      await atoll.api.expect(404, 'GET', `/v2/images/${unknown}`);
    }
  });

  it('are snapshots that everybody may use, whatever they are', async () => {
    const { images } = await get('/v2/images?per_page=200');
    const types = images.map(({ type }: { type: string }) => type);
    expect(new Set(types)).toEqual(new Set(['snapshot']));
  });

  it('are listed by type, by owner and by tag', async () => {
    const all = await imagesWith('');
    expect(all).toBeGreaterThan(10);
    const applications = await imagesWith('type=application');
    expect(applications).toBeGreaterThan(4);
    expect((await imagesWith('type=distribution')) + applications).toBe(all);
    expect(await imagesWith('private=false')).toBe(all);
    expect([await imagesWith('private=true'), await imagesWith('tag_name=x')]).toEqual([0, 0]);
  });
});

describe.each(['regions', 'sizes', 'images'])('the list of %s', (key) => {
  it('is the same in pages as in whole', async () => {
    const all = await walk(`/v2/${key}?per_page=200`, key);
    expect(slugsOf(await walk(`/v2/${key}?per_page=7`, key))).toEqual(slugsOf(all));
    const { links, meta } = await get(`/v2/${key}?per_page=7&page=2`);
    const last = Math.ceil(all.length / 7);
    expect(meta.total).toBe(all.length);
    const page = (number: number) => `http://localhost:80/v2/${key}?per_page=7&page=${number}`;
    expect(links.pages).toEqual({ first: page(1), prev: page(1), next: page(3), last: page(last) });
  });

  it('ends with what it has', async () => {
    const beyond = await get(`/v2/${key}?page=1000`);
    expect(beyond[key]).toEqual([]);
    expect(beyond.links.pages.next).toBeUndefined();
    expect((await get(`/v2/${key}?page=9007199254740991&per_page=9007199254740991`))[key]).toEqual([]);
  });
});
