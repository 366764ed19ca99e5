import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countRows, selectPage } from '../../src/store/page.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

let database: TestDatabase;
let team: string;
beforeAll(async () => {
  database = await testDatabase(2);
  const { db } = database.store;
  const at = new Date('2026-01-01T00:00:00Z');
  const teams = await db
    .insertInto('teams')
    .values([
      { name: 'one', created_at: at },
      { name: 'other', created_at: at },
    ])
    .returning('id')
    .execute();
  const tags = teams.flatMap(({ id }, n) =>
    ['e', 'a', 'c', 'b', 'd'].slice(n).map((name) => ({ team_id: id, name, created_at: at })),
  );
  await db.insertInto('tags').values(tags).execute();
  team = teams[0]?.id ?? '';
});
afterAll(() => database?.drop());

const tags = () =>
  database.store.db.selectFrom('tags').select('name').where('team_id', '=', team).orderBy('name');

describe('selectPage', () => {
  it('answers the rows of a page and the number of all', async () => {
    expect(await selectPage(tags(), { limit: 2, offset: 2 })).toEqual({
      rows: [{ name: 'c' }, { name: 'd' }],
      total: 5,
    });
    expect(await selectPage(tags(), { limit: 2, offset: 6 })).toEqual({ rows: [], total: 5 });
    expect(await selectPage(tags().where('name', '>', 'c'), { limit: 1, offset: 0 })).toEqual({
      rows: [{ name: 'd' }],
      total: 2,
    });
  });

  it('does not count where it is told the total', async () => {
    const uncountable = tags().select(sql<number>`1`.as('one'));
    const { rows, total } = await selectPage(uncountable, { limit: 1, offset: 0 }, async () => 77);
    expect({ rows, total }).toEqual({ rows: [{ name: 'a', one: 1 }], total: 77 });
  });
});

describe('countRows', () => {
  it('counts the rows that conditions leave, without what is selected of them', async () => {
    const failing = tags().select(sql`1 / 0`.as('failing'));
    await expect(failing.execute()).rejects.toThrow('division by zero');
    expect(await countRows(failing)).toBe(5);
  });
});
