import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { dropletUrn } from '../../src/cloud/droplet-state/index.ts';
import type { TestAtoll, TestAtollOptions } from '../support/atoll.ts';
import { createDroplet, ended, order } from '../support/droplets.ts';
import { crashPoint, expectSurvival, idle, type Patience } from './crash-harness.ts';

export interface CrashContract {
  engine: string;
  /** Starts the control plane that is to be killed, with what counts the engine calls in between. */
  start(wrap: TestAtollOptions['wrap']): Promise<TestAtoll>;
  /** Ends all that `start` has started; absent: that is the control plane alone. */
  stop?(): Promise<void>;
  /** The names of the scenarios to play; absent: all. */
  only?: string[];
  /** See `expectSurvival`. */
  gateCount?: number;
  patience?: Patience;
}

/** The suite, for one engine. */
export function crashContract({ engine, start, stop, only, gateCount, patience }: CrashContract): void {
  const point = crashPoint();
  let atoll: TestAtoll;
  beforeAll(async () => {
    atoll = await start(point.wrap);
  });
  afterAll(() => (stop ? stop() : atoll.close()));

  /** Droplets that run make the next ones slower. */
  afterEach(async () => {
    const { droplets } = await atoll.api.expect(200, 'GET', '/v2/droplets?per_page=200');
    for (const { id } of droplets) await atoll.api.expect(204, 'DELETE', `/v2/droplets/${id}`);
    await idle(atoll, patience);
  });

  /** All that can be seen of one droplet, in the API and in the engines, without what differs by chance. */
  async function worldOf(id: number, actionIds: number[]) {
    const { status, body } = await atoll.api.call('GET', `/v2/droplets/${id}`);
    const droplet = status === 200 ? body.droplet : undefined;
    const instance = await atoll.compute.get(`droplet-${id}`);
    const held = await atoll.database.store.db
      .selectFrom('addresses')
      .select('ip')
      .where('owner', '=', dropletUrn(id))
      .execute();
    const actions = await Promise.all(
      actionIds.map((action) => ended(atoll.api, action, patience?.deadlineMs)),
    );
    return {
      api: droplet && { status: droplet.status, locked: droplet.locked, name: droplet.name },
      addresses: held.length,
      instance: instance && {
        state: instance.state,
        boot: instance.boot,
        root: instance.root,
        size: instance.size,
        ipv6: instance.ipv6,
      },
      snapshots: (await snapshotsOf(id)).length,
      hostname: atoll.host.metadata(id)?.hostname,
      actions: actions.map((action) => `${action.type} ${action.status}`),
    };
  }

  /** The disks kept of a droplet, each of which an image of it owns. */
  async function snapshotsOf(id: number) {
    const images = await atoll.database.store.db
      .selectFrom('images')
      .select('id')
      .where('droplet_id', '=', id)
      .where('deleted_at', 'is', null)
      .execute();
    const urns = new Set(images.map((image) => `do:image:${image.id}`));
    return (await atoll.compute.listSnapshots()).filter(({ urn }) => urns.has(urn));
  }

  /** No machine and no host entry is there that no living droplet owns. */
  async function expectNoOrphans() {
    const alive = await atoll.database.store.db
      .selectFrom('droplets')
      .select('id')
      .where('deleted_at', 'is', null)
      .execute();
    const urns = new Set(alive.map(({ id }) => `do:droplet:${id}`));
    expect((await atoll.compute.list()).filter(({ urn }) => !urns.has(urn))).toEqual([]);
    expect((await atoll.host.list()).filter((id) => !urns.has(`do:droplet:${id}`))).toEqual([]);
  }

  interface Scenario {
    name: string;
    /** Brings about what the scenario starts from. */
    prepare?(): Promise<number>;
    /** Asks for what is to survive the crash; answers the droplet and the ids of its actions. */
    ask(prepared: number): Promise<{ id: number; actions: number[] }>;
  }

  const create = async () => {
    const { droplet, links } = await atoll.api.expect(202, 'POST', '/v2/droplets', order);
    return { id: droplet.id as number, actions: [links.actions[0].id as number] };
  };
  const running = async (): Promise<number> => (await createDroplet(atoll.api, {}, patience?.deadlineMs)).id;
  const act = (body: object) => async (id: number) => {
    const { action } = await atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, body);
    return { id, actions: [action.id as number] };
  };
  const done = async (asked: ReturnType<ReturnType<typeof act>>) => {
    for (const action of (await asked).actions) await ended(atoll.api, action, patience?.deadlineMs);
  };
  const destroy = async (id: number) => {
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${id}`);
    const { actions } = await atoll.api.expect(200, 'GET', '/v2/actions');
    return { id, actions: [actions[0].id as number] };
  };
  const off = async () => {
    const id = await running();
    await done(act({ type: 'power_off' })(id));
    return id;
  };

  /** A droplet with a snapshot of its own. */
  const snapshotted = async () => {
    const id = await running();
    await done(act({ type: 'snapshot', name: 's' })(id));
    return id;
  };
  const restore = async (id: number) => {
    const { droplet } = await atoll.api.expect(200, 'GET', `/v2/droplets/${id}`);
    return act({ type: 'restore', image: droplet.snapshot_ids[0] })(id);
  };

  const scenarios: Scenario[] = [
    { name: 'create', ask: create },
    { name: 'power_off', prepare: running, ask: act({ type: 'power_off' }) },
    { name: 'power_on', prepare: off, ask: act({ type: 'power_on' }) },
    { name: 'shutdown', prepare: running, ask: act({ type: 'shutdown' }) },
    { name: 'reboot', prepare: running, ask: act({ type: 'reboot' }) },
    { name: 'power_cycle', prepare: running, ask: act({ type: 'power_cycle' }) },
    { name: 'power_cycle of one that is off', prepare: off, ask: act({ type: 'power_cycle' }) },
    { name: 'rename', prepare: running, ask: act({ type: 'rename', name: 'renamed' }) },
    { name: 'resize', prepare: off, ask: act({ type: 'resize', size: 's-2vcpu-2gb', disk: true }) },
    { name: 'snapshot', prepare: running, ask: act({ type: 'snapshot', name: 's' }) },
    { name: 'rebuild', prepare: running, ask: act({ type: 'rebuild', image: 'debian-12-x64' }) },
    { name: 'restore', prepare: snapshotted, ask: restore },
    { name: 'enable_ipv6', prepare: running, ask: act({ type: 'enable_ipv6' }) },
    { name: 'password_reset', prepare: running, ask: act({ type: 'password_reset' }) },
    { name: 'destroy', prepare: running, ask: destroy },
    { name: 'destroy of one that is off', prepare: off, ask: destroy },
  ];

  describe(`kill -9 after every single engine call: ${engine}`, () => {
    it.each(scenarios.filter(({ name }) => !only || only.includes(name)))(
      '$name converges to the world of an undisturbed run',
      ({ prepare = async () => 0, ask }) =>
        expectSurvival({
          point,
          atoll,
          prepare,
          ask,
          async world(_, { id, actions }) {
            const world = await worldOf(id, actions);
            await expectNoOrphans();
            return world;
          },
          calls: 2,
          gateCount,
          patience,
        }),
    );
  });
}
