/** Where sealed secrets are: all columns of the domain `sealed`, as the database's own catalogue has them. */
import { sql } from 'kysely';
import type { Queryable, Store } from './store.ts';

export interface SealedColumn {
  table: string;
  column: string;
}

export async function sealedColumns(db: Queryable): Promise<SealedColumn[]> {
  const { rows } = await sql<SealedColumn>`
    select c.relname as "table", a.attname as "column"
    from pg_attribute a join pg_class c on c.oid = a.attrelid
    where a.atttypid = to_regtype('sealed') and not a.attisdropped and c.relkind = 'r'
    order by 1, 2`.execute(db);
  return rows;
}

export interface KeyUse {
  key: string;
  /** How many values are sealed with it. */
  values: number;
}

/** The keys that values are sealed with; none in a database of before there were any. */
export async function keysInUse(db: Queryable): Promise<KeyUse[]> {
  const uses = new Map<string, number>();
  for (const { table, column } of await sealedColumns(db)) {
    const { rows } = await sql<KeyUse>`
      select split_part(${sql.ref(column)}, '$', 3) as key, count(*) as values from ${sql.table(table)}
      where ${sql.ref(column)} is not null group by 1`.execute(db);
    for (const { key, values } of rows) uses.set(key, (uses.get(key) ?? 0) + values);
  }
  return [...uses].map(([key, values]) => ({ key, values })).sort((a, b) => a.key.localeCompare(b.key));
}

/** Where the values of a column are that are not sealed with this key. */
export async function placesOfOthers(
  db: Queryable,
  { table, column }: SealedColumn,
  key: string,
): Promise<string[]> {
  const { rows } = await sql<{ place: string }>`
    select ctid::text as place from ${sql.table(table)}
    where ${sql.ref(column)} is not null and split_part(${sql.ref(column)}, '$', 3) <> ${key}`.execute(db);
  return rows.map(({ place }) => place);
}

/**
 * Replaces values at these places, in one transaction, by what `change` makes of them; undefined leaves one as it is.
 * Rows that others hold, or have moved, are passed over: it waits for nobody's lock, so that no request can wait for it
 * in a circle. Answers how many it has replaced.
 */
export async function replaceSealed(
  store: Pick<Store, 'transaction'>,
  { table, column }: SealedColumn,
  places: readonly string[],
  change: (sealed: string) => string | undefined,
): Promise<number> {
  return store.transaction(async (tx) => {
    const { rows } = await sql<{ place: string; sealed: string }>`
      select ctid::text as place, ${sql.ref(column)} as sealed from ${sql.table(table)}
      where ctid = any(${[...places]}::tid[]) and ${sql.ref(column)} is not null
      for no key update skip locked`.execute(tx);
    const changed = rows.flatMap(({ place, sealed }) => {
      const next = change(sealed);
      return next === undefined ? [] : [{ place, next }];
    });
    if (changed.length === 0) return 0;
    await sql`update ${sql.table(table)} as t set ${sql.id(column)} = v.next
      from unnest(${changed.map(({ place }) => place)}::tid[], ${changed.map(({ next }) => next)}::text[]) as v (place, next)
      where t.ctid = v.place`.execute(tx);
    return changed.length;
  });
}
