/**
 * What the engines hold and no row explains: after a restore of an older dump, on a wrong database, or of an Atoll of
 * before. It is written down once, left as it is, and removed by nobody but the operator (`atoll orphans`).
 */
import { type RawBuilder, sql } from 'kysely';
import { anyOf } from '../store/any-of.ts';
import type { Queryable } from '../store/store.ts';

export interface Quarantined {
  /** The `kind` of the inventory that found it. */
  kind: string;
  /** The engine's name of it, an id or an address. */
  name: string;
  urn: string;
  foundAt: Date;
}

/** The names of a kind that are in quarantine. */
export async function quarantinedNames(db: Queryable, kind: string): Promise<Set<string>> {
  const rows = await db.selectFrom('quarantined').select('name').where('kind', '=', kind).execute();
  return new Set(rows.map(({ name }) => name));
}

/** SQL of that. */
export const quarantinedNamesSql = (kind: string): RawBuilder<unknown> =>
  sql`select name from quarantined where kind = ${kind}`;

/** Those of these URNs that something of a kind in quarantine bears. */
export async function quarantinedUrns(
  db: Queryable,
  kind: string,
  urns: readonly string[],
): Promise<Set<string>> {
  const rows = await db
    .selectFrom('quarantined')
    .select('urn')
    .where('kind', '=', kind)
    .where(anyOf('urn', urns))
    .execute();
  return new Set(rows.map(({ urn }) => urn));
}

/** All that is in quarantine, by kind and name. */
export async function listQuarantined(db: Queryable): Promise<Quarantined[]> {
  const rows = await db.selectFrom('quarantined').selectAll().orderBy('kind').orderBy('name').execute();
  return rows.map(({ kind, name, urn, found_at }) => ({ kind, name, urn, foundAt: found_at }));
}

/** The names of a kind that the operator wants removed by the control plane. */
export async function namesToRemove(db: Queryable, kind: string): Promise<Set<string>> {
  const rows = await db
    .selectFrom('quarantined')
    .select('name')
    .where('kind', '=', kind)
    .where('removal', '=', true)
    .execute();
  return new Set(rows.map(({ name }) => name));
}

/** Asks the control plane that runs to remove these at its next sweep: where only it can reach its engines. */
export async function requestRemoval(
  db: Queryable,
  found: readonly { kind: string; name: string }[],
): Promise<void> {
  for (const { kind, name } of found)
    await sql`update quarantined set removal = true where kind = ${kind} and name = ${name}`.execute(db);
}

/** Writes down what was found; answers those that were not in quarantine yet. */
export async function putInQuarantine(
  db: Queryable,
  kind: string,
  found: readonly { name: string; urn: string }[],
  at: Date,
): Promise<string[]> {
  if (found.length === 0) return [];
  const { rows } = await sql<{ name: string }>`
    insert into quarantined (kind, name, urn, found_at)
    select ${kind}, name, urn, ${at}
    from unnest(${found.map(({ name }) => name)}::text[], ${found.map(({ urn }) => urn)}::text[]) found (name, urn)
    on conflict do nothing returning name`.execute(db);
  return rows.map(({ name }) => name);
}

/** Strikes out what is no longer in the engine, or has a row again. */
export async function endQuarantine(db: Queryable, kind: string, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await sql`delete from quarantined where kind = ${kind} and name = any(${[...names]}::text[])`.execute(db);
}
