/** Lists of any length are one statement: what is prepared on a connection does not grow with them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { anyOf } from '../../src/store/any-of.ts';
import { statementNames } from '../../src/store/prepared.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase(1);
});
afterAll(() => database?.drop());

it('pages of 1 to 200 droplets are one prepared statement', async () => {
  const { db, pool } = database.store;
  for (let length = 1; length <= 200; length++) {
    const ids = Array.from({ length }, (_, n) => n);
    await db.selectFrom('droplets').select('name').where(anyOf('id', ids)).execute();
  }
  const { rows } = await pool.query('select from pg_prepared_statements');
  expect(rows).toHaveLength(1);
});

it('no query of the house has a list of parameters', () => {
  const files = readdirSync(join(process.cwd(), 'src'), { recursive: true, encoding: 'utf8' });
  const found = files
    .filter((file) => file.endsWith('.ts'))
    .filter((file) =>
      /'(?:not )?in',\s*[a-zA-Z]+\s*\)/.test(readFileSync(join(process.cwd(), 'src', file), 'utf8')),
    );
  expect(found).toEqual([]);
});

it('a statement gets a name at its second use, and keeps it as long as it is used', () => {
  const nameOf = statementNames(2);
  expect(nameOf('a')).toBeUndefined();
  const name = nameOf('a');
  expect(name).toBeDefined();
  nameOf('b');
  expect(nameOf('a')).toBe(name);
  // The one that was not used for longest is forgotten, not the one that came first.
  nameOf('c');
  expect(nameOf('a')).toBe(name);
  expect(nameOf('b')).toBeUndefined();
  expect(nameOf('b')).not.toBe(name);
});
