/** Migration 018 carries over who has which address of a database of before. */
import { afterEach, expect, it } from 'vitest';
import { migrate } from '../../src/store/migrate.ts';
import { databaseBefore, type TestDatabase, testDatabase } from '../support/database.ts';

const databases: TestDatabase[] = [];
afterEach(async () => {
  for (const database of databases.splice(0)) await database.drop();
});

it('droplets keep their addresses by their URNs, what was held stays held, and what was free stays free', async () => {
  const database = await databaseBefore('018_address_owners.sql');
  databases.push(database);
  const { pool } = database.store;
  await pool.query(
    "insert into address_pools (pool, range, next) values ('public', '10.64.0.0/16', 7), ('vpc:x', '10.100.0.0/20', 3)",
  );
  await pool.query(`insert into addresses (pool, ip, droplet_id, released_at) values
    ('public', '10.64.0.2', 510000001, null), ('vpc:x', '10.100.0.2', 510000001, null),
    ('public', '10.64.0.3', 9007199254740991, null), ('public', '10.64.0.4', -1, '2026-01-02 03:04:05Z'),
    ('public', '10.64.0.5', null, '2026-01-02 03:04:05Z'), ('public', '10.64.0.6', null, null)`);
  const ran = await migrate(pool);
  expect(ran[0]).toBe('018_address_owners.sql');
  const { rows } = await pool.query(
    'select pool, host(ip) as ip, owner, released_at from addresses order by pool, addresses.ip',
  );
  const released_at = new Date('2026-01-02T03:04:05Z');
  expect(rows).toEqual([
    { pool: 'public', ip: '10.64.0.2', owner: 'do:droplet:510000001', released_at: null },
    { pool: 'public', ip: '10.64.0.3', owner: 'do:droplet:9007199254740991', released_at: null },
    { pool: 'public', ip: '10.64.0.4', owner: 'quarantine', released_at },
    { pool: 'public', ip: '10.64.0.5', owner: null, released_at },
    { pool: 'public', ip: '10.64.0.6', owner: null, released_at: null },
    { pool: 'vpc:x', ip: '10.100.0.2', owner: 'do:droplet:510000001', released_at: null },
  ]);
});

it('finds what is free, and what an owner has, by indexes', async () => {
  const database = await testDatabase(2);
  databases.push(database);
  const { rows } = await database.store.pool.query<{ indexdef: string }>(
    "select indexdef from pg_indexes where tablename = 'addresses' order by indexname",
  );
  expect(rows.map(({ indexdef }) => indexdef.replace(/^.* USING /, ''))).toEqual([
    'btree (pool, released_at NULLS FIRST, ip) WHERE (owner IS NULL)',
    'btree (owner) WHERE (owner IS NOT NULL)',
    'btree (pool, ip)',
  ]);
});
