/** Volumes and their snapshots survive kill -9 after every single engine call. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended, order } from '../support/droplets.ts';
import { actOnVolume, createVolume } from '../support/volumes.ts';
import { crashPoint, expectSurvival, idle } from './crash-harness.ts';

const point = crashPoint();
let atoll: TestAtoll;
beforeAll(async () => {
  atoll = await startAtoll({ wrap: point.wrap });
});
afterAll(() => atoll.close());

interface Lab {
  droplet: number;
  volume: string;
}

/** What a scenario began: actions, and what it made besides the lab. */
interface Asked {
  actions?: number[];
  droplet?: number;
  volume?: string;
}

interface Scenario {
  name: string;
  prepare?(lab: Lab): Promise<unknown>;
  ask(lab: Lab): Promise<Asked>;
}

const act = async (volume: string, body: object): Promise<Asked> => {
  const { action } = await atoll.api.expect(202, 'POST', `/v2/volumes/${volume}/actions`, body);
  return { actions: [action.id] };
};
const attached = ({ volume, droplet }: Lab) =>
  actOnVolume(atoll.api, volume, { type: 'attach', droplet_id: droplet });
const snap = async (volume: string): Promise<string> =>
  (await atoll.api.expect(201, 'POST', `/v2/volumes/${volume}/snapshots`, { name: 's' })).snapshot.id;
const remove = async (path: string): Promise<Asked> => {
  await atoll.api.expect(204, 'DELETE', path);
  return {};
};

const scenarios: Scenario[] = [
  {
    name: 'a new volume',
    ask: async () => ({ volume: (await createVolume(atoll.api, { filesystem_type: 'ext4' })).id }),
  },
  {
    name: 'an attach',
    ask: ({ volume, droplet }) => act(volume, { type: 'attach', droplet_id: droplet }),
  },
  { name: 'a detach', prepare: attached, ask: ({ volume }) => act(volume, { type: 'detach' }) },
  { name: 'a resize', ask: ({ volume }) => act(volume, { type: 'resize', size_gigabytes: 20 }) },
  {
    name: 'a resize of one that is attached',
    prepare: attached,
    ask: ({ volume }) => act(volume, { type: 'resize', size_gigabytes: 20 }),
  },
  { name: 'a delete', ask: ({ volume }) => remove(`/v2/volumes/${volume}`) },
  {
    name: 'a snapshot',
    async ask({ volume }) {
      await snap(volume);
      return {};
    },
  },
  {
    name: 'the delete of a volume whose snapshot is not taken yet',
    async ask({ volume }) {
      await snap(volume);
      return remove(`/v2/volumes/${volume}`);
    },
  },
  {
    name: 'a volume from a snapshot that is deleted at once',
    async ask({ volume }) {
      const snapshot_id = await snap(volume);
      const made = await createVolume(atoll.api, { snapshot_id });
      await remove(`/v2/snapshots/${snapshot_id}`);
      return { volume: made.id };
    },
  },
  {
    name: 'a new droplet with a volume',
    async ask({ volume }) {
      const body = { ...order, volumes: [volume] };
      const { droplet, links } = await atoll.api.expect(202, 'POST', '/v2/droplets', body);
      return { droplet: droplet.id, actions: [links.actions[0].id] };
    },
  },
  {
    name: 'the end of the droplet it is attached to',
    prepare: attached,
    ask: ({ droplet }) => remove(`/v2/droplets/${droplet}`),
  },
];

describe('kill -9 after every single engine call', () => {
  /** The droplet is used again while it lives: only its volumes are looked at. */
  let droplet: number | undefined;
  async function openLab(): Promise<Lab> {
    const alive =
      droplet !== undefined && (await atoll.api.call('GET', `/v2/droplets/${droplet}`)).status === 200;
    if (!alive) droplet = (await createDroplet(atoll.api)).id;
    return { droplet: droplet ?? 0, volume: (await createVolume(atoll.api)).id };
  }

  /** All that can be seen of a volume, in the API and in the engines, without what differs by chance. */
  async function worldOf(volume: string, on: number) {
    const { status, body } = await atoll.api.call('GET', `/v2/volumes/${volume}`);
    const seen = status === 200 ? body.volume : undefined;
    const { volumes, snapshots } = await atoll.host.volumes();
    const found = volumes.find(({ id }) => id === volume);
    const { db } = atoll.database.store;
    const row = await db.selectFrom('volumes').selectAll().where('id', '=', volume).executeTakeFirst();
    const taken = await db
      .selectFrom('volume_snapshots')
      .select(['id', 'status', 'gone_at'])
      .where('volume_id', '=', volume)
      .execute();
    return {
      api: seen && { size: seen.size_gigabytes, attached: seen.droplet_ids.length },
      pending: row?.pending_action_id,
      gone: row?.gone_at !== null,
      host: found && { size: found.sizeGib, content: atoll.host.readVolume(volume) },
      machine: (await atoll.compute.get(`droplet-${on}`))?.volumes.includes(volume) ?? false,
      snapshots: taken.map(({ id, status: how, gone_at }) => [how, gone_at !== null, snapshots.includes(id)]),
    };
  }

  async function expectNoOrphans() {
    const { db } = atoll.database.store;
    const [volumes, snapshots] = await Promise.all([
      db.selectFrom('volumes').select('id').where('deleted_at', 'is', null).execute(),
      db.selectFrom('volume_snapshots').select('id').where('deleted_at', 'is', null).execute(),
    ]);
    const found = await atoll.host.volumes();
    expect(found.volumes.map(({ id }) => id).sort()).toEqual(volumes.map(({ id }) => id).sort());
    expect(found.snapshots.toSorted()).toEqual(snapshots.map(({ id }) => id).sort());
  }

  it.each(scenarios)('$name converges to the world of an undisturbed run', ({ prepare, ask }) =>
    expectSurvival({
      point,
      atoll,
      async prepare() {
        const lab = await openLab();
        await idle(atoll);
        await prepare?.(lab);
        return lab;
      },
      ask,
      async world(lab, asked) {
        const ends = await Promise.all((asked.actions ?? []).map((id) => ended(atoll.api, id)));
        const on = asked.droplet ?? lab.droplet;
        const made = asked.volume ? [lab.volume, asked.volume] : [lab.volume];
        const world = {
          actions: ends.map(({ type, status }) => `${type} ${status}`),
          volumes: await Promise.all(made.map((id) => worldOf(id, on))),
        };
        await expectNoOrphans();
        for (const id of made) await freed(id);
        return world;
      },
      calls: 1,
    }),
  );

  /** Off its droplet, so that none ever has too many. */
  async function freed(volume: string) {
    const { status, body } = await atoll.api.call('GET', `/v2/volumes/${volume}`);
    if (status === 200 && body.volume.droplet_ids.length > 0)
      await actOnVolume(atoll.api, volume, { type: 'detach' });
  }
});
