import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase(1);
});
afterAll(() => database?.drop());

const read = (db: TestDatabase['store']['db']) =>
  sql<Record<string, number>>`select * from things where n < ${10}`.execute(db).then(({ rows }) => rows);

test('queries outlive a migration under their connection, in and out of transactions', async () => {
  const { db, pool, transaction } = database.store;
  await pool.query('create table things (n integer); insert into things values (1)');
  expect(await read(db)).toEqual([{ n: 1 }]);
  await pool.query('alter table things add column m integer default 2');
  expect(await read(db)).toEqual([{ n: 1, m: 2 }]);
  expect(await read(db)).toEqual([{ n: 1, m: 2 }]);
  await pool.query('alter table things drop column n; alter table things rename column m to n');
  expect(await transaction(read)).toEqual([{ n: 2 }]);
});

test('a statement with parameters is prepared once per connection', async () => {
  const { db, pool } = database.store;
  await sql`select ${1}::int + 1`.execute(db);
  await sql`select ${2}::int + 1`.execute(db);
  const { rows } = await pool.query(
    "select count(*)::int as n from pg_prepared_statements where statement = 'select $1::int + 1'",
  );
  expect(rows).toEqual([{ n: 1 }]);
});

test('who listens hears of each commit that may have written, after it, and of no reading', async () => {
  const { db, store, heard } = await listening();
  await sql`select ${3}::int`.execute(db);
  await store.transaction((tx) => sql`select ${4}::int`.execute(tx));
  expect(heard).toEqual([]);
  await store.transaction(async (tx) => {
    await sql`insert into written values (${1})`.execute(tx);
    expect(heard).toEqual([]);
  });
  await sql`with changed as (update written set n = ${2} returning n) select n from changed`.execute(db);
  expect(heard).toEqual(['written', 'written']);
});

async function listening() {
  const { store } = database;
  await store.pool.query('create table written (n integer)');
  const heard: string[] = [];
  store.onWrite(() => heard.push('written'));
  return { db: store.db, store, heard };
}
