/** No team sees or changes what is another's: every operation, with every id that it takes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Operation } from '../../src/http/operation.ts';
import { builtOperations, pathOf } from '../support/operations.ts';
import { type Good, type Lab, openLab } from './fixtures.ts';
import { untilIdle } from './idle.ts';
import { foundByName, namesNothing, type OtherTeam, otherTeam } from './other-team.ts';

let lab: Lab;
let other: OtherTeam;
let before: string;
beforeAll(async () => {
  lab = await openLab();
  other = await otherTeam(lab);
  await untilIdle(lab.atoll);
  before = await rowsOfOthers();
});
afterAll(() => lab.close());

const operations = builtOperations();
const parametersOf = ({ path }: Operation) => path.match(/\{[^}]*\}/g) ?? [];
const fieldsOf = ({ body, query }: Operation): string[] =>
  [body, query].flatMap((schema?: { properties?: object }) => Object.keys(schema?.properties ?? {}));

/** What operations with parameters in their paths are asked for: as in the lab, but for what is everybody's there. */
const goodOf = ({ id }: Operation): Good | undefined =>
  lab.good[id === 'images_get' ? 'images_update' : id] ?? undefined;

function send({ method, path, id }: Operation, { params = [], query, body }: Good) {
  const url = pathOf({ path }, params) + (query ? `?${query}` : '');
  const headers: Record<string, string> = id.endsWith('angerous') ? { 'x-dangerous': 'true' } : {};
  return other.api.call(method, url, method === 'GET' ? undefined : body, headers);
}

/** Of every table, the rows that are not the other team's; what changes by itself is left out. */
async function rowsOfOthers(): Promise<string> {
  const { pool } = lab.atoll.database.store;
  const tables = await pool.query<{ name: string }>(
    `select table_name as name from information_schema.columns
      where table_schema = 'public' and column_name = 'team_id'`,
  );
  const of = (table: string, where: string) =>
    `select '${table}' as name, to_jsonb(t) as row from ${table} t ${where}`;
  const parts = [
    ...tables.rows.map(({ name }) => of(name, 'where team_id <> $1')),
    of('taggings', 'where tag_id in (select id from tags where team_id <> $1)'),
    of('addresses', "where owner in (select 'do:droplet:' || id from droplets where team_id <> $1)"),
    of('autoscale_history', 'where pool_id in (select id from autoscale_pools where team_id <> $1)'),
  ];
  const { rows } = await pool.query<{ line: string }>(
    `select name || ' ' || (row - 'last_used_at' - 'usage')::text as line
      from (${parts.join(' union all ')}) found order by 1`,
    [other.teamId],
  );
  return rows.map(({ line }) => line).join('\n');
}

/**
 * The ids, addresses and fingerprints that the lab's team has, as answers would show them: but for addresses in VPCs,
 * which each team has its own of.
 */
const idsIn = (dump: string): string[] =>
  [...dump.matchAll(/"(?:id|ip|fingerprint|number)": "?([^",}]{6,})/g)]
    .map(([, id = '']) => id)
    .filter((id) => !id.startsWith('10.'));

const shows = (text: string, id: string): boolean =>
  new RegExp(`(?<![\\w.-]|[\\w:]:)${id.replaceAll(/[^\w:]/g, '\\$&')}(?![\\w.-]|:\\w)`).test(text);

describe.each(operations.filter((operation) => parametersOf(operation).length > 0))('$id', (operation) => {
  it('finds nothing by the ids of another team', async () => {
    const good = goodOf(operation);
    expect(good?.params, `test/input/fixtures.ts lacks the ids of ${operation.id}`).toHaveLength(
      parametersOf(operation).length,
    );
    // They are ids of things that are there: else the answer would mean nothing.
    for (const id of good?.params ?? []) expect(shows(before, id), id).toBe(true);
    const { status, body } = await send(operation, good ?? {});
    expect({ status, body }).toMatchObject({ status: 404, body: { id: 'not_found' } });
    expect(await rowsOfOthers()).toBe(before);
  });
});

describe.each(operations.filter(({ method, path }) => method === 'GET' && !path.includes('{')))(
  '$id',
  (operation) => {
    it('lists nothing of another team', async () => {
      const ids = idsIn(before);
      expect(ids.length).toBeGreaterThan(20);
      const queries = ['', ...attemptsOf(operation).map(([, { query = '' }]) => query)];
      for (const query of queries) {
        const { status, body } = await send(operation, { query: `${query}&per_page=200` });
        expect(status).toBe(200);
        expect(ids.filter((id) => shows(JSON.stringify(body), id))).toEqual([]);
      }
    });
  },
);

const attemptsOf = ({ id }: Operation) =>
  Object.entries(other.naming).filter(([name]) => name.split(/[. ]/)[0] === id);

describe.each(operations.filter((operation) => fieldsOf(operation).length > 0))('$id', (operation) => {
  it('does nothing to what its fields name of another team', async () => {
    const attempts = attemptsOf(operation);
    const tried = attempts.map(([name]) => name.split(/[. ]/)[1]);
    const named = fieldsOf(operation).filter((field) =>
      field === 'name' ? foundByName.has(operation.id) : !namesNothing.has(field),
    );
    expect(tried, `test/input/other-team.ts lacks a field of ${operation.id}`).toEqual(
      expect.arrayContaining(named),
    );
    for (const [name, attempt] of attempts) {
      const { status, body } = await send(operation, attempt);
      expect({ name, status, body }).toMatchObject({ name, status: attempt.status });
      expect(await rowsOfOthers()).toBe(before);
    }
  });
});

it('and nothing happens to it afterwards', async () => {
  await untilIdle(lab.atoll);
  expect(await rowsOfOthers()).toBe(before);
});
