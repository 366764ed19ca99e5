/** What is past its time goes, by a driven clock, and nothing that anybody still needs. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DrivenClock, drivenClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { removeMachine } from '../../src/cloud/machines/index.ts';
import { defaultRetention, purge } from '../../src/control/purge.ts';
import { type Event, type EventCursor, readEvents } from '../../src/store/events.ts';
import { idle } from '../faults/crash-harness.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { createDroplet, ended } from '../support/droplets.ts';
import { machineRoles, orderKeeper } from '../support/machines.ts';
import { publicKey } from '../support/ssh-key.ts';
import { days, hours, seldom } from '../support/time.ts';
import { until } from '../support/until.ts';
import { createVolume } from '../support/volumes.ts';

let clock: DrivenClock;
let atoll: TestAtoll;
beforeEach(async () => {
  clock = drivenClock();
  atoll = await startAtoll({ clock, machineRoles, ...seldom });
});
afterEach(() => atoll.close());

const db = () => atoll.database.store.db;
type Table =
  | 'droplets'
  | 'images'
  | 'machines'
  | 'volumes'
  | 'volume_snapshots'
  | 'actions'
  | 'audit'
  | 'events'
  | 'tokens'
  | 'reconcile';
const count = async (table: Table): Promise<number> =>
  (
    await db()
      .selectFrom(table)
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow()
  ).n;
const purgeNow = () =>
  purge({ store: atoll.database.store, clock, log: silentLog, signal: new AbortController().signal });

/** A droplet with a snapshot, and a volume; all deleted, but for what `keep` says. */
async function lifetime() {
  const { id } = await createDroplet(atoll.api, { tags: ['old'] });
  const { action } = await atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, { type: 'snapshot' });
  await ended(atoll.api, action.id);
  const volume = await createVolume(atoll.api, { tags: ['old'] });
  const image = (await atoll.api.expect(200, 'GET', `/v2/droplets/${id}`)).droplet.snapshot_ids[0];
  await idle(atoll);
  return { id, image, volume: volume.id };
}
async function destroy({ id, image, volume }: Awaited<ReturnType<typeof lifetime>>) {
  await atoll.api.expect(204, 'DELETE', `/v2/droplets/${id}`);
  await atoll.api.expect(204, 'DELETE', `/v2/images/${image}`);
  await atoll.api.expect(204, 'DELETE', `/v2/volumes/${volume}`);
  await idle(atoll);
}

describe('purging', () => {
  it('keeps what is gone for a week, then deletes it by itself', async () => {
    await destroy(await lifetime());
    const kept = await lifetime();
    await clock.advance(days(6));
    expect([await count('droplets'), await count('images'), await count('volumes')]).toEqual([2, 2, 2]);
    // Each hour it looks, unless it still does.
    const after = (check: () => Promise<boolean>) =>
      until(async () => {
        await clock.advance(hours(1));
        return check();
      });
    await clock.advance(days(1));
    await after(async () => (await count('droplets')) === 1 && (await count('volumes')) === 1);
    await after(async () => (await count('images')) === 1);
    expect((await atoll.api.expect(200, 'GET', `/v2/droplets/${kept.id}`)).droplet.snapshot_ids).toEqual([
      kept.image,
    ]);
    await atoll.api.expect(200, 'GET', `/v2/volumes/${kept.volume}`);
    // Settled resources need no row in the loop's table.
    await clock.advance(days(7));
    await after(async () => (await count('reconcile')) === 0);
    // What it was asked of lives longer than the droplet.
    expect(await count('actions')).toBeGreaterThan(3);
  });

  it('deletes machines of products a week after they have gone, and no others', async () => {
    const [old, kept] = [await orderKeeper(atoll, 'old'), await orderKeeper(atoll, 'kept')];
    const gone = async () =>
      (await db().selectFrom('machines').select('gone_at').where('id', '=', old).executeTakeFirst())?.gone_at;
    await atoll.database.store.transaction((tx) => removeMachine(tx, old, clock.now()));
    await until(async () => (await gone()) !== null);
    await clock.advance(days(6));
    await purgeNow();
    expect(await count('machines')).toBe(2);
    await clock.advance(days(2));
    await purgeNow();
    expect(await db().selectFrom('machines').select('id').execute()).toEqual([{ id: kept }]);
  });

  it('deletes actions and audit after a year, and their number with them', async () => {
    await destroy(await lifetime());
    const total = async () => (await atoll.api.expect(200, 'GET', '/v2/actions')).meta.total as number;
    expect(await total()).toBe(await count('actions'));
    await clock.advance(days(defaultRetention.actions - 1));
    await purgeNow();
    expect(await count('actions')).toBeGreaterThan(0);
    await db()
      .updateTable('actions')
      .set({ status: 'in-progress', completed_at: null })
      .where('type', '=', 'snapshot')
      .execute();
    await clock.advance(days(2));
    await purgeNow();
    // One that has not ended stays.
    expect(await count('actions')).toBe(1);
    expect(await total()).toBe(1);
    expect(await count('audit')).toBe(0);
  });

  it('deletes events after a day, and a reader goes on from where it was', async () => {
    let cursor: EventCursor | undefined;
    // Transactions of other databases of the server hold back what can be read.
    const next = async (): Promise<Event> => {
      let found: Event | undefined;
      await until(async () => {
        const read = await readEvents(atoll.database.store.db, { after: cursor, limit: 1 });
        cursor = read.next;
        [found] = read.events;
        return found !== undefined;
      });
      return found as Event;
    };
    const createKey = async (name: string) =>
      (await atoll.api.expect(201, 'POST', '/v2/account/keys', { name, public_key: publicKey() })).ssh_key.id;
    const first = await createKey('first');
    expect(await next()).toMatchObject({ urn: `do:sshkey:${first}`, change: 'created' });
    await clock.advance(hours(23));
    await purgeNow();
    expect(await count('events')).toBe(1);
    await clock.advance(hours(2));
    await purgeNow();
    expect(await count('events')).toBe(0);
    const second = await createKey('second');
    expect(await next()).toMatchObject({ urn: `do:sshkey:${second}`, change: 'created' });
  });

  it('keeps the image of a droplet that is there, and deletes more than one batch of rows', async () => {
    const first = await lifetime();
    const { id } = await createDroplet(atoll.api, { image: first.image });
    await destroy(first);
    const row = { team_id: atoll.team.teamId, user_id: atoll.team.userId, token_id: atoll.team.userId };
    const many = Array.from({ length: 2_500 }, (_, n) => ({
      ...row,
      at: new Date(0),
      request_id: String(n),
      operation: 'droplets_create',
    }));
    await db().insertInto('audit').values(many).execute();
    const before = (await count('audit')) - many.length;
    await clock.advance(days(8));
    await purgeNow();
    expect(await count('audit')).toBe(before);
    expect(await db().selectFrom('images').select('id').execute()).toEqual([{ id: first.image }]);
    await atoll.api.expect(204, 'DELETE', `/v2/droplets/${id}`);
    await idle(atoll);
    await purgeNow();
    expect(await count('images')).toBe(0);
  });

  it('deletes tokens a month after their end', async () => {
    const token = { ...atoll.team, name: 'old', scopes: ['*'] };
    const at = clock.now();
    await db()
      .insertInto('tokens')
      .values([
        {
          team_id: token.teamId,
          user_id: token.userId,
          name: 'a',
          scopes: [],
          hash: Buffer.from('a'),
          created_at: at,
          expires_at: at,
        },
        {
          team_id: token.teamId,
          user_id: token.userId,
          name: 'b',
          scopes: [],
          hash: Buffer.from('b'),
          created_at: at,
          revoked_at: at,
        },
      ])
      .execute();
    const all = await count('tokens');
    await clock.advance(days(29));
    await purgeNow();
    expect(await count('tokens')).toBe(all);
    await clock.advance(days(2));
    await purgeNow();
    expect(await count('tokens')).toBe(all - 2);
  });
});
