/** Events are read in the order of the commits: none is missed, none comes twice, none before what led to it. */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type Event,
  type EventCursor,
  forgetForeignEvents,
  readEvents,
  recordEvent,
  UnknownCursor,
} from '../../src/store/events.ts';
import type { Tx } from '../../src/store/store.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase(20);
  // Things that are changed one after the other, each under the lock of its row, and what writes elsewhere before that.
  await database.store.pool.query(`
    create table things (id text primary key, n integer not null default 0);
    create table scratch (n integer)`);
});
afterEach(() => database.drop());

const teamId = randomUUID();
const at = new Date('2026-01-01T00:00:00Z');
const record = (tx: Tx, urn: string, n = 0, team = teamId) =>
  recordEvent(tx, { at, teamId: team, urn, change: 'changed', actionId: n });
const urns = (events: Event[]) => events.map(({ urn }) => urn);

/** A transaction that does step after step as it is told, and commits when it is told. */
function open() {
  const { promise: ended, resolve: commit } = Promise.withResolvers<void>();
  const began = Promise.withResolvers<Tx>();
  const committed = database.store.transaction(async (tx) => {
    began.resolve(tx);
    await ended;
  });
  return {
    tx: began.promise,
    async commit() {
      commit();
      await committed;
    },
  };
}

/**
 * Reads on from where it stopped, until it has seen `most` that are new, or what can be read now. To be waited for where
 * some must come: the transactions of other databases of the server count, too.
 */
function reader(options: { teamId?: string; limit?: number } = {}) {
  let after: EventCursor | undefined;
  const now = async (): Promise<Event[]> => {
    const all: Event[] = [];
    for (;;) {
      const { events, next } = await readEvents(database.store.db, { limit: 100, ...options, after });
      after = next;
      all.push(...events);
      if (events.length === 0) return all;
    }
  };
  return async (most = 0): Promise<Event[]> => {
    const all = await now();
    await until(async () => {
      if (all.length < most) all.push(...(await now()));
      return all.length >= most;
    });
    return all;
  };
}

describe('transactions that commit in another order than they drew their ids', () => {
  it('are read when all that began to write before them are over', async () => {
    const read = reader();
    const [first, second, third] = [open(), open(), open()];
    await record(await first.tx, 'do:x:1');
    await record(await second.tx, 'do:x:2');
    await record(await third.tx, 'do:x:3');
    await third.commit();
    expect(await read()).toEqual([]);
    await first.commit();
    expect(urns(await read(1))).toEqual(['do:x:1']);
    await second.commit();
    expect(urns(await read(2))).toEqual(['do:x:2', 'do:x:3']);
    expect(await read()).toEqual([]);
  });

  it('are held back by one that stays open, and not by one that only reads', async () => {
    const read = reader();
    const [long, reading] = [open(), open()];
    await sql`select count(*) from things`.execute(await reading.tx);
    await sql`insert into scratch values (1)`.execute(await long.tx);
    for (const n of [1, 2, 3]) await database.store.transaction((tx) => record(tx, `do:x:${n}`));
    expect(await read()).toEqual([]);
    await record(await long.tx, 'do:x:late');
    await long.commit();
    expect(urns(await read(4))).toEqual(['do:x:late', 'do:x:1', 'do:x:2', 'do:x:3']);
    await reading.commit();
  });

  it('leave nothing when they are rolled back', async () => {
    const failed = database.store.transaction(async (tx) => {
      await record(tx, 'do:x:1');
      throw new Error('not so');
    });
    await expect(failed).rejects.toThrow('not so');
    await database.store.transaction((tx) => record(tx, 'do:x:2'));
    expect(urns(await reader()(1))).toEqual(['do:x:2']);
  });
});

it('what changes a resource later is read later, though its transaction began to write first', async () => {
  const read = reader();
  const early = open();
  await sql`insert into scratch values (1)`.execute(await early.tx);
  const blocking = open();
  await sql`insert into scratch values (1)`.execute(await blocking.tx);
  await database.store.transaction((tx) => record(tx, 'do:x:1', 1));
  await record(await early.tx, 'do:x:1', 2);
  await early.commit();
  // What is older than `blocking` could be read, as is the transaction of the second change.
  expect(await read()).toEqual([]);
  await blocking.commit();
  expect((await read(2)).map(({ actionId }) => actionId)).toEqual([1, 2]);
});

it('many writers at once: each event is seen once, and those of a resource in their order', async () => {
  const [writers, each, things] = [12, 25, 4];
  const { store } = database;
  for (let id = 0; id < things; id++) await store.pool.query('insert into things (id) values ($1)', [id]);
  const write = async (writer: number) => {
    for (let n = 0; n < each; n++) {
      // The first half writes something else before it waits for the row: its transaction is older than its change.
      await store.transaction(async (tx) => {
        if (writer % 2 === 0) await sql`insert into scratch values (${n})`.execute(tx);
        const id = String((writer * 7 + n) % things);
        const { rows } = await sql<{ n: number }>`
          update things set n = n + 1 where id = ${id} returning n`.execute(tx);
        await record(tx, `do:x:${id}`, rows[0]?.n);
      });
    }
  };
  const read = reader({ limit: 7 });
  const seen: Event[] = [];
  const written = new AbortController();
  const reading = (async () => {
    while (!written.signal.aborted) seen.push(...(await read()));
  })();
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  written.abort();
  await reading;
  seen.push(...(await read(writers * each - seen.length)));

  expect(seen).toHaveLength(writers * each);
  expect(new Set(seen.map(({ id }) => id)).size).toBe(writers * each);
  for (let id = 0; id < things; id++) {
    const numbers = seen.filter(({ urn }) => urn === `do:x:${id}`).map(({ actionId }) => actionId);
    expect(numbers).toEqual(Array.from(numbers, (_, n) => n + 1));
  }
});

it('a team reads what is its own, page by page', async () => {
  const other = randomUUID();
  for (let n = 1; n <= 5; n++) {
    await database.store.transaction(async (tx) => {
      await record(tx, `do:x:${n}`);
      await record(tx, `do:y:${n}`, 0, other);
    });
  }
  expect(urns(await reader({ teamId: other, limit: 2 })(5))).toEqual([1, 2, 3, 4, 5].map((n) => `do:y:${n}`));
  // All can be read by now.
  const { events, next } = await readEvents(database.store.db, { teamId, limit: 2 });
  expect(urns(events)).toEqual(['do:x:1', 'do:x:2']);
  expect(next).toEqual({ xid: events[1]?.xid, id: events[1]?.id });
  expect(events[0]).toMatchObject({ at, teamId, kind: 'x', version: null, change: 'changed', userId: null });
});

it('a cursor of another database is refused, and not waited with', async () => {
  const { db } = database.store;
  await expect(readEvents(db, { after: { xid: '99999999999', id: 1 }, limit: 10 })).rejects.toThrow(
    UnknownCursor,
  );
  expect(await readEvents(db, { limit: 10 })).toEqual({ events: [], next: undefined });
});

it('what a dump of another server brought along is forgotten, and holds nothing back', async () => {
  const { db, pool } = database.store;
  await database.store.transaction((tx) => record(tx, 'do:x:0'));
  // As a dump comes back: past the trigger, with places that this server has not got to.
  await pool.query(`
    alter table events disable trigger event_placed;
    insert into events (xid, at, team_id, urn, change) values ('99999999999', now(), '${teamId}', 'do:x:1', 'changed');
    alter table events enable trigger event_placed`);
  await forgetForeignEvents(db);
  await database.store.transaction((tx) => record(tx, 'do:x:1', 1));
  expect((await reader()(2)).map(({ urn, actionId }) => [urn, actionId])).toEqual([
    ['do:x:0', 0],
    ['do:x:1', 1],
  ]);
});
