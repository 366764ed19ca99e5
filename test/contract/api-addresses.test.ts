/** Addresses when a pool's rows run out: it grows, in good time or late, and nobody gets another's. */
import { afterEach, beforeEach, expect, it } from 'vitest';
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
  query('select pool, count(*) as free from addresses where droplet_id is null group by pool order by pool');
/** Takes the free addresses of each pool but the last `left`, as others would have. */
const takeAllBut = (left: number) =>
  query(`update addresses a set droplet_id = 0
    from (select pool, ip, row_number() over (partition by pool order by ip desc) as place from addresses
          where droplet_id is null) f
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
