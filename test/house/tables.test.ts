/** Only the owner of a table writes to it. */
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { testDatabase } from '../support/database.ts';
import { foreignReadsYet } from './foreign-reads.ts';
import { accessesOf, computed, withoutComments } from './table-accesses.ts';
import {
  databaseFunctions,
  differences,
  foreignReads,
  foreignWrites,
  insteadOfWriting,
  owners,
  readSources,
  tablesOf,
} from './tables.ts';

const sources = readSources(process.cwd());

describe('tables', () => {
  it('have an owner, each', () => {
    const tables = tablesOf(sources.get('src/store/schema.ts') ?? '');
    expect(tables.length).toBeGreaterThan(20);
    // The last one is not in the schema: only `migrate` knows it.
    expect(Object.keys(owners)).toEqual([...tables, 'migrations'].sort());
    expect(
      Object.values(owners)
        .flat()
        .filter((owner) => !existsSync(owner)),
    ).toEqual([]);
  });

  it('are written to by their owners', () => {
    const remedy = (table: string) => insteadOfWriting(sources, table);
    expect(differences(foreignWrites(sources), {}, remedy)).toEqual([]);
  });

  it('are read by others only where they were before', () => {
    const remedy = (table: string) => `Ask ${owners[table]?.[0] ?? 'its owner'} by an exported function`;
    expect(differences(foreignReads(sources), foreignReadsYet, remedy)).toEqual([]);
  });
});

it('functions of the database write to one table each, and are known', async () => {
  const database = await testDatabase();
  try {
    const { rows } = await database.store.pool.query<{ name: string; body: string }>(
      "select proname as name, prosrc as body from pg_proc where pronamespace = 'public'::regnamespace order by proname",
    );
    const writes = rows.map(({ name, body }) => [name, writtenIn(`sql\`${body}\``)] as const);
    expect(Object.fromEntries(writes.filter(([, tables]) => tables.length > 0))).toEqual(
      Object.fromEntries(Object.entries(databaseFunctions).map(([name, table]) => [name, [table]])),
    );
  } finally {
    await database.drop();
  }
});

const writtenIn = (text: string): string[] => [
  ...new Set(accessesOf(text).flatMap(({ kind, table }) => (kind === 'write' ? [table] : []))),
];

describe('a write is found', () => {
  it.each([
    ["await tx.updateTable('volumes').set({})", 'volumes'],
    ["db\n  .insertInto(\n  'volumes')", 'volumes'],
    ["tx.deleteFrom('volumes as v').where()", 'volumes'],
    ['tx.updateTable(table)', computed],
    ["tx.updateTable(['volumes', 'droplets'])", 'volumes'],
    ['sql`update volumes set droplet_id = null`', 'volumes'],
    ['sql`update volumes v set droplet_id = d.id from droplets d`', 'volumes'],
    ['sql`with freed as (\n update only public.volumes as v\n set size_gib = 1) select 1`', 'volumes'],
    ['sql`with a as (${one ? sql`select 1` : two}), b as (UPDATE "volumes" SET size_gib = 1)`', 'volumes'],
    ["pool.query('insert into volumes (id) values ($1)')", 'volumes'],
    ['sql`insert into volumes as v (id) values (1) on conflict do update set id = 2`', 'volumes'],
    ['sql`delete from volumes where id = 1`', 'volumes'],
    ['sql`truncate table volumes`', 'volumes'],
    ['sql`merge into volumes using found on true`', 'volumes'],
    ['sql`delete from ${sql.table(table)} where id = 1`', computed],
    ['sql`update ${sql.table(table)} set id = 1`', computed],
    ['pool.query(`delete from ${table} where id = $1`)', computed],
    ["pool.query('insert into ' + table)", computed],
  ])('in %s', (text, table) => {
    expect(writtenIn(text)).toEqual([table]);
  });

  it.each([
    '// update volumes set droplet_id = null',
    '/* insert into volumes */',
    'sql`select 1 -- then update volumes set droplet_id = null\n`',
    "const pattern = /[`']/; // update volumes set id = 1",
    'sql`select id from volumes for update of volumes skip locked`',
    "invalid('size', 'update the volumes first')",
  ])('not in %s', (text) => {
    expect(writtenIn(text)).toEqual([]);
  });
});

describe('a read is found', () => {
  it.each([
    ["db.selectFrom('volumes')", ['volumes']],
    [
      "db.selectFrom('volumes as v').leftJoin('droplets as d', 'd.id', 'v.droplet_id')",
      ['volumes', 'droplets'],
    ],
    ['db.selectFrom(table)', [computed]],
    ['sql`select from volumes v join droplets on true`', ['volumes', 'droplets']],
    ['sql`select from volumes v, droplets as d, images where true`', ['volumes', 'droplets', 'images']],
    ['sql`update volumes v set droplet_id = null from droplets d`', ['droplets']],
    ['sql`lock table teams in share mode`', ['teams']],
  ])('in %s', (text, tables) => {
    const reads = accessesOf(text).filter(({ kind }) => kind === 'read');
    expect(reads.map(({ table }) => table)).toEqual(tables);
  });
});

it('comments are blanked, and nothing else', () => {
  const text = "const a = 'x // y'; /* c */ const b = `${1 /* d */} // e`; // f\nconst c = 4 / 2 / 1;";
  const blanked = "const a = 'x // y';         const b = `${1        } // e`;     \nconst c = 4 / 2 / 1;";
  expect(withoutComments(text)).toBe(blanked);
});

describe('the law can be broken:', () => {
  const place = 'src/cloud/volumes/place.ts';
  const index = 'src/cloud/volumes/index.ts';
  const owner: [string, string][] = [
    [place, "export const moveVolume = () => tx.updateTable('volumes');\nexport const hidden = 1;"],
    [index, "export { moveVolume } from './place.ts';"],
  ];
  const broken = (file: string, text: string) => {
    const house = new Map([...owner, [file, text] as const]);
    return differences(foreignWrites(house), {}, (table) => insteadOfWriting(house, table));
  };

  it("by a write to another's table, and what to use instead is told", () => {
    expect(broken('src/cloud/droplets/undo.ts', 'sql`update volumes set id = 1`')).toEqual([
      'src/cloud/droplets/undo.ts: volumes. It belongs to src/cloud/volumes: use moveVolume, or give it another function',
    ]);
  });

  it('by a folder whose name only begins like the owner', () => {
    expect(broken('src/cloud/volumes-more/a.ts', 'sql`delete from volumes`')).toHaveLength(1);
  });

  it('by a table without an owner, and by a name that is computed', () => {
    expect(broken('src/cloud/droplets/a.ts', 'sql`insert into unheard_of values (1)`')).toEqual([
      'src/cloud/droplets/a.ts: unheard_of. Give the table an owner in test/house/tables.ts',
    ]);
    expect(broken('src/cloud/droplets/a.ts', 'tx.insertInto(name)')).toEqual([
      'src/cloud/droplets/a.ts: (computed). Name the table that is written to',
    ]);
  });

  it('by a list that allows what is not there any more', () => {
    const file = 'src/cloud/droplets/a.ts';
    const allowed = { [file]: ['volumes', 'images'] };
    expect(differences({ [file]: ['volumes'] }, allowed, () => '')).toEqual([
      `${file}: images is allowed, and not found any more: strike it off the list`,
    ]);
  });

  it("not by the owner's own writes, nor by the part of it on a lower floor", () => {
    expect(broken('src/cloud/volumes/act.ts', "tx.updateTable('volumes')")).toEqual([]);
    expect(broken('src/cloud/droplet-state/lock.ts', "tx.updateTable('droplets')")).toEqual([]);
  });
});
