/** Reserved addresses survive kill -9 after every single engine call, and are put right after drift. */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended } from '../support/droplets.ts';
import { until } from '../support/until.ts';
import { crashPoint, expectSurvival, idle } from './crash-harness.ts';

const point = crashPoint();
let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll({ wrap: point.wrap });
});
afterAll(() => atoll.close());

interface Lab {
  /** Two droplets, and an address in their region. */
  a: number;
  b: number;
  ip: string;
}

const post = async (status: number, path: string, body: object) =>
  atoll.api.expect(status, 'POST', path, body);
const act = async (ip: string, body: object): Promise<number> =>
  (await post(201, `/v2/reserved_ips/${ip}/actions`, body)).action.id;
const assigned = async (lab: Lab) => {
  await ended(atoll.api, await act(lab.ip, { type: 'assign', droplet_id: lab.a }));
};

interface Scenario {
  name: string;
  prepare?(lab: Lab): Promise<void>;
  /** Asks for what is to survive; answers the actions it began, and the address where it is another one. */
  ask(lab: Lab): Promise<{ actions: number[]; ip?: string }>;
}

const scenarios: Scenario[] = [
  {
    name: 'a reservation to a droplet',
    async ask({ a }) {
      const { reserved_ip, links } = await post(202, '/v2/reserved_ips', { droplet_id: a });
      return { actions: [links.actions[0].id], ip: reserved_ip.ip };
    },
  },
  {
    name: 'an assignment',
    ask: async ({ ip, a }) => ({ actions: [await act(ip, { type: 'assign', droplet_id: a })] }),
  },
  {
    name: 'a reassignment',
    prepare: assigned,
    ask: async ({ ip, b }) => ({ actions: [await act(ip, { type: 'assign', droplet_id: b })] }),
  },
  {
    name: 'an unassignment',
    prepare: assigned,
    ask: async ({ ip }) => ({ actions: [await act(ip, { type: 'unassign' })] }),
  },
  {
    name: 'a release',
    prepare: assigned,
    async ask({ ip }) {
      await atoll.api.expect(204, 'DELETE', `/v2/reserved_ips/${ip}`);
      return { actions: [] };
    },
  },
  {
    name: 'the end of its droplet',
    prepare: assigned,
    async ask({ a }) {
      await atoll.api.expect(204, 'DELETE', `/v2/droplets/${a}`);
      return { actions: [] };
    },
  },
];

describe('kill -9 after every single engine call', () => {
  let pair: [number, number];
  /** The droplets of a lab are used again while they live. */
  async function openLab(): Promise<Lab> {
    const alive = async (id: number) => (await atoll.api.call('GET', `/v2/droplets/${id}`)).status === 200;
    if (!pair || !(await alive(pair[0]))) {
      const made = [await createDroplet(atoll.api), await createDroplet(atoll.api)] as const;
      pair = [made[0].id, made[1].id];
    }
    const { reserved_ip } = await post(202, '/v2/reserved_ips', { region: 'nyc3' });
    return { a: pair[0], b: pair[1], ip: reserved_ip.ip };
  }

  /** All that can be seen, with the droplets by their role. */
  async function worldOf(lab: Lab, ip: string, actions: number[]) {
    const { status, body } = await atoll.api.call('GET', `/v2/reserved_ips/${ip}`);
    const role = (id: number | undefined) => (id === lab.a ? 'a' : id === lab.b ? 'b' : undefined);
    const inForce = (await atoll.host.addresses()).find((each) => each.ip === ip);
    const { db } = atoll.database.store;
    const target = await db
      .selectFrom('droplets')
      .select('id')
      .where('public_ipv4', '=', inForce?.target ?? '0.0.0.0')
      .where('deleted_at', 'is', null)
      .executeTakeFirst();
    const told = [lab.a, lab.b].filter((id) => atoll.host.metadata(id)?.reserved_ip.ipv4.ip_address === ip);
    const ends = await Promise.all(actions.map((action) => ended(atoll.api, action)));
    return {
      api: status === 200 && { locked: body.reserved_ip.locked, droplet: role(body.reserved_ip.droplet?.id) },
      host: inForce && { target: role(target?.id), leads: inForce.target !== undefined },
      metadata: told.map(role),
      actions: ends.map((action) => `${action.type} ${action.status}`),
    };
  }

  async function clear() {
    const { reserved_ips: held } = await atoll.api.expect(200, 'GET', '/v2/reserved_ips');
    for (const { ip } of held) await atoll.api.expect(204, 'DELETE', `/v2/reserved_ips/${ip}`);
    await idle(atoll);
    expect(await atoll.host.addresses()).toEqual([]);
  }

  it.each(scenarios)('$name converges to the world of an undisturbed run', ({ prepare, ask }) =>
    expectSurvival({
      point,
      atoll,
      async prepare() {
        const lab = await openLab();
        await prepare?.(lab);
        return lab;
      },
      ask,
      async world(lab, { actions, ip = lab.ip }) {
        const world = await worldOf(lab, ip, actions);
        await clear();
        return world;
      },
      calls: 2,
    }),
  );
});

describe('the sweep at the start', () => {
  it('puts back what is out of step, and leaves what the database does not know as it is', async () => {
    const { id } = await createDroplet(atoll.api);
    const reserve = async (): Promise<string> =>
      (await post(202, '/v2/reserved_ips', { region: 'nyc3' })).reserved_ip.ip;
    const [kept, stray] = [await reserve(), await reserve()];
    await ended(atoll.api, await act(kept, { type: 'assign', droplet_id: id }));
    await idle(atoll);
    const before = (await atoll.host.addresses()).find(({ ip }) => ip === kept);
    // As after a restore of an older database, and by a host that has lost its state.
    const { db } = atoll.database.store;
    const rows = await db.selectFrom('reserved_ips').select(['ip', 'version']).execute();
    await db.deleteFrom('reserved_ips').where('ip', '=', stray).execute();
    await atoll.host.publishAddress({ ip: kept }, rows.find(({ ip }) => ip === kept)?.version ?? 0);
    await atoll.restart();
    const inForce = () => atoll.host.addresses();
    await until(async () => (await inForce()).find(({ ip }) => ip === kept)?.target === before?.target);
    expect(await inForce()).toContainEqual({ ip: stray });
    // Nobody else is given it, though it is the next of its range.
    const next = Number(stray.split('.').at(-1));
    const goBack = () =>
      db.updateTable('address_pools').set({ next }).where('pool', '=', 'reserved').execute();
    await goBack();
    const other = await reserve();
    expect(other).not.toBe(stray);
    // Once it is out of force it can be reserved again.
    const generation = await sql<{ n: number }>`select nextval('droplet_versions') as n`.execute(db);
    await atoll.host.withdrawAddress(stray, generation.rows[0]?.n ?? 0);
    await atoll.restart();
    await goBack();
    expect(await reserve()).toBe(stray);
    await until(async () => (await inForce()).some(({ ip }) => ip === stray));
  });
});
