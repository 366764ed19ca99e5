/** Addresses, whoever has them: nobody gets another's. When a pool's rows run out it grows, in good time or late. */
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publicPool, releaseAddresses, takingAddress } from '../../src/cloud/addresses/index.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { order } from '../support/droplets.ts';
import { until } from '../support/until.ts';

let atoll: TestAtoll;
beforeEach(async () => {
  atoll = await startAtoll();
  await atoll.api.expect(202, 'POST', '/v2/droplets', order);
});
afterEach(() => atoll.close());

const query = async <Row extends object>(text: string) =>
  (await atoll.database.store.pool.query<Row>(text)).rows;
const free = async (): Promise<{ pool: string; free: number }[]> =>
  query('select pool, count(*) as free from addresses where owner is null group by pool order by pool');
/** Takes the free addresses of each pool but the last `left`, as others would have. */
const takeAllBut = (left: number) =>
  query(`update addresses a set owner = 'do:machine:1'
    from (select pool, ip, row_number() over (partition by pool order by ip desc) as place from addresses
          where owner is null) f
    where a.pool = f.pool and a.ip = f.ip and f.place > ${left}`);

it('grow by a chunk when many ask at once and few are left', async () => {
  await takeAllBut(3);
  const names = Array.from({ length: 10 }, (_, index) => `web-${index}`);
  const asked = Array.from({ length: 5 }, () =>
    atoll.api.expect(202, 'POST', '/v2/droplets', { ...order, name: undefined, names }),
  );
  await Promise.all(asked);
  const rows = await query(
    'select count(distinct public_ipv4) as public, count(distinct private_ipv4) as private from droplets',
  );
  expect(rows).toEqual([{ public: 51, private: 51 }]);
  expect((await free()).map((each) => each.free)).toEqual([3 + 1024 - 50, 3 + 1024 - 50]);
});

it('grow before the last are taken', async () => {
  await takeAllBut(256);
  await atoll.api.expect(202, 'POST', '/v2/droplets', order);
  await until(async () => (await free()).every((each) => each.free === 255 + 1024));
});

it('are refused plainly where a range is used up', async () => {
  await query("update address_pools set next = 4095 where pool like 'vpc:%'");
  await takeAllBut(2);
  await atoll.api.expect(202, 'POST', '/v2/droplets', { ...order, name: undefined, names: ['one', 'two'] });
  const { message } = await atoll.api.expect(422, 'POST', '/v2/droplets', order);
  expect(message).toContain('The VPC has no free address');
});

describe('of machines that are no droplets', () => {
  /** What `takingAddress` gives to this owner, if anything. */
  async function take(owner: string): Promise<string | undefined> {
    const { rows } = await sql<{ ip: string }>`with taker as (select ${owner}::text as owner)
      ${takingAddress(publicPool, sql`taker`)}`.execute(atoll.database.store.db);
    return rows[0]?.ip;
  }
  const publicOf = async () =>
    (await query<{ ip: string }>('select host(public_ipv4) as ip from droplets')).map(({ ip }) => ip);

  it('come from the same pool, and none is one that a droplet has', async () => {
    const taken = Array.from({ length: 20 }, async (_, index) => {
      if (index % 2 === 0) return take('do:machine:7');
      await atoll.api.expect(202, 'POST', '/v2/droplets', order);
    });
    const ofMachine = (await Promise.all(taken)).filter((ip) => ip !== undefined);
    const all = [...ofMachine, ...(await publicOf())];
    expect([ofMachine.length, all.length, new Set(all).size]).toEqual([10, 21, 21]);
    const held = await query(
      "select count(*)::int as n from addresses where pool = 'public' and owner = 'do:machine:7'",
    );
    expect(held).toEqual([{ n: 10 }]);
  });

  it('are free for a droplet once they are released, and not before', async () => {
    await query("update address_pools set next = (1 << (32 - masklen(range))) - 1 where pool = 'public'");
    await takeAllBut(2);
    const [ip, others] = [await take('do:machine:7'), await take('do:machine:71')];
    expect(await take('do:machine:8')).toBeUndefined();
    const { message } = await atoll.api.expect(422, 'POST', '/v2/droplets', order);
    expect(message).toContain('No public address is free');
    await releaseAddresses(atoll.database.store.db, 'do:machine:7', new Date());
    await atoll.api.expect(202, 'POST', '/v2/droplets', order);
    expect(await publicOf()).toContain(ip);
    expect(await publicOf()).not.toContain(others);
  });
});
