/** What a command leaves beside its change: audit rows, events, wakes; and what the end of an action leaves. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Caller } from '../../src/base/caller.ts';
import { drivenClock } from '../../src/base/clock.ts';
import { beginAction, endAction } from '../../src/control/actions.ts';
import { type Command, command } from '../../src/control/command.ts';
import { insertEndedEvents, insertEvents } from '../../src/store/events.ts';
import { Overtaken } from '../../src/store/store.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { watchQueries } from '../support/queries.ts';

let database: TestDatabase;
let teamId: string;
const clock = drivenClock();
beforeAll(async () => {
  database = await testDatabase();
  ({ id: teamId } = await db()
    .insertInto('teams')
    .values({ name: 'Test', created_at: clock.now() })
    .returning('id')
    .executeTakeFirstOrThrow());
});
afterAll(() => database.drop());

const db = () => database.store.db;
const newCaller = (): Caller => ({ teamId, userId: randomUUID(), tokenId: randomUUID(), scopes: [] });
/** A command of a request of its own. */
function run<Answer>(work: (command: Command) => Promise<Answer>) {
  const caller = newCaller();
  const id = randomUUID();
  const done = command({ store: database.store, clock }, { caller, id }, 'things_change', work);
  return { caller, id, done };
}
const audited = (requestId: string) =>
  db().selectFrom('audit').selectAll().where('request_id', '=', requestId).orderBy('id').execute();
const eventsOf = (urn: string) =>
  db().selectFrom('events').selectAll().where('urn', '=', urn).orderBy('id').execute();
const woken = (id: string) =>
  db().selectFrom('reconcile').select(['kind', 'wanted']).where('id', '=', id).execute();
const newUrn = () => `do:thing:${randomUUID()}`;

describe('a command', () => {
  it('answers, and records all that it has changed in one statement', async () => {
    const [urn, besides, same] = [newUrn(), newUrn(), newUrn()];
    const queries = watchQueries(database);
    const { caller, id, done } = run(async ({ changed }) => {
      changed({ urn, change: 'created', action: 7, wake: ['thing', urn] });
      changed({ urn: besides, change: 'changed', besides: true, wake: ['thing', besides] });
      changed({ urn: same, change: null });
      return 'answer';
    });
    expect(await done).toBe('answer');
    expect(queries.texts.filter((text) => /audit|events|wake/.test(text))).toHaveLength(1);
    const who = { team_id: teamId, user_id: caller.userId, token_id: caller.tokenId, at: clock.now() };
    const row = { ...who, request_id: id, operation: 'things_change' };
    expect(await audited(id)).toMatchObject([
      { ...row, urn },
      { ...row, urn: same },
    ]);
    expect(await eventsOf(urn)).toMatchObject([{ ...who, kind: 'thing', change: 'created', action_id: 7 }]);
    expect(await eventsOf(besides)).toMatchObject([{ ...who, change: 'changed', action_id: null }]);
    expect(await eventsOf(same)).toEqual([]);
    for (const each of [urn, besides]) expect(await woken(each)).toEqual([{ kind: 'thing', wanted: 1 }]);
  });

  it('that is done again records once', async () => {
    const urn = newUrn();
    let tries = 0;
    const { id, done } = run(async ({ changed }) => {
      changed({ urn, change: 'changed', wake: ['thing', urn] });
      if (++tries < 3) throw new Overtaken();
    });
    await done;
    expect(tries).toBe(3);
    expect([await audited(id), await eventsOf(urn)].map(({ length }) => length)).toEqual([1, 1]);
    expect(await woken(urn)).toEqual([{ kind: 'thing', wanted: 1 }]);
  });

  it('that changes nothing, or fails, leaves nothing', async () => {
    const urn = newUrn();
    const nothing = run(async () => 5);
    expect(await nothing.done).toBe(5);
    const failed = run(async ({ changed }) => {
      changed({ urn, change: 'changed' });
      throw new Error('not so');
    });
    await expect(failed.done).rejects.toThrow('not so');
    expect([...(await audited(nothing.id)), ...(await audited(failed.id)), ...(await eventsOf(urn))]).toEqual(
      [],
    );
  });

  it('tells another team what becomes of its resource, and not who did it', async () => {
    const [urn, other] = [newUrn(), randomUUID()];
    const { caller, id, done } = run(async ({ changed }) => {
      changed({ urn, change: 'deleted' }, { urn, change: 'created', besides: true, teamId: other });
    });
    await done;
    expect(await eventsOf(urn)).toMatchObject([
      { team_id: teamId, change: 'deleted', user_id: caller.userId },
      { team_id: other, change: 'created', user_id: null, token_id: null },
    ]);
    expect(await audited(id)).toHaveLength(1);
  });

  it('tells the version that the resource has by then', async () => {
    const { done } = run(async ({ tx, at, changed }) => {
      const values = { team_id: teamId, region: 'nyc3', name: 'data', size_gib: 1, created_at: at };
      const { id } = await tx.insertInto('volumes').values(values).returning('id').executeTakeFirstOrThrow();
      changed({ urn: `do:volume:${id}`, change: 'created' });
      await tx.updateTable('volumes').set({ size_gib: 2 }).where('id', '=', id).execute();
      return id;
    });
    const id = await done;
    const { version } = await db()
      .selectFrom('volumes')
      .select('version')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    expect(await eventsOf(`do:volume:${id}`)).toMatchObject([{ version }]);
  });
});

describe('the end of an action', () => {
  const begin = (resourceType: string, resourceId: string) =>
    beginAction(db(), {
      caller: newCaller(),
      type: 'x',
      resourceType,
      resourceId,
      region: 'nyc3',
      at: clock.now(),
    });

  it('is an event of its resource, once', async () => {
    const { id } = await begin('image', '17');
    const urn = 'do:image:17';
    for (const status of ['completed', 'errored'] as const) {
      await endAction(db(), id, { status, at: clock.now() });
    }
    expect(await eventsOf(urn)).toMatchObject([
      { team_id: teamId, change: 'action-ended', action_id: id, user_id: null, at: clock.now() },
    ]);
    const action = await db().selectFrom('actions').selectAll().where('id', '=', id).executeTakeFirst();
    expect(action).toMatchObject({ status: 'completed', completed_at: clock.now() });
  });

  it('is told in the statement that settles the resource, with the version that this gives it', async () => {
    const at = clock.now();
    const { id } = await db()
      .insertInto('volumes')
      .values({ team_id: teamId, region: 'nyc3', name: 'settled', size_gib: 1, created_at: at })
      .returning('id')
      .executeTakeFirstOrThrow();
    const action = await begin('volume', id);
    const urn = `do:volume:${id}`;
    const { rows } = await sql<{ version: number }>`
      with changed as (
        update volumes set made_at = ${at} where id = ${id} returning version
      ), ended as (
        update actions set status = 'completed', completed_at = ${at}
        where id = ${action.id} and exists (select from changed) returning *
      ), recorded as (${insertEvents(sql`
        select ${at}::timestamptz, ${teamId}::uuid, ${urn}, 'changed', null::bigint from changed`)}
      ), action_recorded as (${insertEndedEvents('ended')})
      select version from changed`.execute(db());
    const told = await eventsOf(urn);
    expect(told.map(({ change }) => change).sort()).toEqual(['action-ended', 'changed']);
    for (const { version } of told) expect(version).toBe(rows[0]?.version);
  });

  it.each([
    ['reserved_ip', '203.0.113.9', 'do:reservedip:203.0.113.9'],
    ['floating_ip', '203.0.113.10', 'do:reservedip:203.0.113.10'],
    ['reserved_ipv6', 'fd00:a702::9', 'do:reservedipv6:fd00:a702::9'],
  ])('of a %s is one of its address', async (type, ip, urn) => {
    const { number, version } = await db()
      .insertInto('reserved_ips')
      .values({ ip, team_id: teamId, region: 'nyc3', created_at: clock.now() })
      .returning(['number', 'version'])
      .executeTakeFirstOrThrow();
    const { id } = await begin(type, String(number));
    await endAction(db(), id, { status: 'errored', at: clock.now(), message: 'no' });
    expect(await eventsOf(urn)).toMatchObject([{ change: 'action-ended', action_id: id, version }]);
  });
});
