/**
 * A database and the engines of its home bear the same cloud id. Where they do not, the database is another one: a new
 * one, that of another home, a restored one of before there were ids. Nothing may be begun then, since it would take
 * what it does not know for nobody's, and what it does not find for lost.
 */

import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { CloudMark } from '../engine/cloud-mark.ts';
import type { Queryable } from '../store/store.ts';

/** An engine that bears the id. */
export interface Marked {
  /** For the operator: `Incus`. */
  name: string;
  mark(): Promise<CloudMark | undefined>;
  setMark(mark: CloudMark): Promise<void>;
  /** What it holds, each with its number: `3 machines`. Empty: nothing. */
  holds(): Promise<string[]>;
}

/** What a database is found to be. */
export interface DatabaseSide {
  id: string;
  createdAt: Date;
  /** What it has rows of that are not gone: `2 droplets`. */
  knows: string[];
  /** It has never had a row of anything that engines hold. */
  empty: boolean;
  /** Since when it has engines that bear its id; null: it never had any. */
  enginesSince: Date | null;
}

/** What an engine is found to be. */
export interface EngineSide {
  name: string;
  mark: CloudMark | undefined;
  holds: string[];
}

/** How the message of `ForeignEngines` begins. */
export const mismatch = 'This database is not the one that belongs to the engines of this home.';

/** The database is another one than that of the engines; the message says what was found and what can be done. */
export class ForeignEngines extends Error {
  override readonly name = 'ForeignEngines';
}

/**
 * What to do about a database and its engines: give their mark to those engines (none: all is well), or refuse. Homes of
 * before have no marks: a database with rows is believed to be theirs, an empty one only where they hold nothing. A
 * database that knows something and once had marked engines has them still, elsewhere, or they are lost with all that
 * they held: beside engines without marks it would take all that for gone.
 */
export function judge(
  database: DatabaseSide,
  engines: readonly EngineSide[],
): { mark: EngineSide[]; lost: EngineSide[] } | 'foreign' {
  const unmarked = engines.filter(({ mark }) => !mark);
  if (engines.some(({ mark }) => mark && mark.cloud !== database.id)) return 'foreign';
  const first = unmarked.length === engines.length;
  if (first && database.empty && engines.some(({ holds }) => holds.length > 0)) return 'foreign';
  if (first && database.enginesSince && database.knows.length > 0) return 'foreign';
  // The others are right, and this one has forgotten whose it is: its pool or its state was lost.
  return { mark: unmarked, lost: first ? [] : unmarked };
}

/** What was found on both sides, and what can be done about it. */
export function explain(database: DatabaseSide, engines: readonly EngineSide[]): string {
  const line = (name: string, what: string) => `  ${name.padEnd(10)} ${what}`;
  const list = (things: string[], none: string) => (things.length > 0 ? things.join(', ') : none);
  return [
    mismatch,
    'The control plane is not started, and nothing was changed. What was found:',
    line(
      'database',
      `cloud ${database.id}, made ${database.createdAt.toISOString()}${
        database.enginesSince ? `, with engines since ${database.enginesSince.toISOString()}` : ''
      }: ${list(database.knows, 'knows nothing')}`,
    ),
    ...engines.map(({ name, mark, holds }) =>
      line(
        name,
        `${mark ? `cloud ${mark.cloud}, since ${mark.since}` : 'no cloud id'}: ${list(holds, 'holds nothing')}`,
      ),
    ),
    'What can be done:',
    '  - go on with the right database: ./atoll up --database-url URL (or ./atoll up, for the one of before)',
    '  - restore a dump of it into this one, then: ./atoll up',
    '  - take this one for the right one from now on: ./atoll up --accept-database',
    '    What it does not know is quarantined then: it runs on, nothing of it is deleted, ./atoll orphans lists it.',
  ].join('\n');
}

/**
 * Sees to it that the database and the engines are of one cloud; gives the id to engines that have none yet.
 * @param accept takes the database for the right one, whatever the engines say
 * @throws ForeignEngines where they are not, EngineError where an engine does not answer
 */
export async function matchCloud(
  { db, clock, log }: { db: Queryable; clock: Clock; log: Log },
  marked: readonly Marked[],
  accept: boolean,
): Promise<void> {
  const marks = await Promise.all(marked.map(async (engine) => ({ engine, mark: await engine.mark() })));
  const { id, engines_since } = await db
    .selectFrom('cloud')
    .select(['id', 'engines_since'])
    .executeTakeFirstOrThrow();
  const remember = () => db.updateTable('cloud').set({ engines_since: clock.now() }).execute();
  if (marks.every(({ mark }) => mark?.cloud === id)) {
    if (!engines_since) await remember();
    return;
  }
  const sides = await Promise.all(
    marks.map(async ({ engine, mark }) => ({ name: engine.name, mark, holds: await engine.holds() })),
  );
  const database = await databaseSide(db);
  const verdict = judge(database, sides);
  if (verdict === 'foreign' && !accept) throw new ForeignEngines(explain(database, sides));
  const toMark = verdict === 'foreign' ? sides : verdict.mark;
  for (const { name, holds } of verdict === 'foreign' ? [] : verdict.lost)
    log.error(
      { engine: name, holds, database: database.knows },
      'this engine has lost the cloud id that the others have, and with it perhaps all that it held',
    );
  const since = clock.now().toISOString();
  for (const { engine } of marks)
    if (toMark.some(({ name }) => name === engine.name)) await engine.setMark({ cloud: id, since });
  await remember();
  log.info({ cloud: id, engines: toMark.map(({ name }) => name) }, 'the engines were given the cloud id');
}

/** Remembers what hosts' entries look like (a digest). Answers whether they looked otherwise before, or nobody knows. */
export async function noteHostEntries(tx: Queryable, shape: string): Promise<boolean> {
  const changed = await tx
    .updateTable('cloud')
    .set({ host_entries: shape })
    .where('host_entries', 'is distinct from', shape)
    .returning('id')
    .execute();
  return changed.length > 0;
}

/** What engines hold something for, and what an operator calls it. */
const tables = {
  droplets: 'droplet',
  images: 'image',
  volumes: 'volume',
  volume_snapshots: 'volume snapshot',
} as const;

async function databaseSide(db: Queryable): Promise<DatabaseSide> {
  const cloud = await db.selectFrom('cloud').selectAll().executeTakeFirstOrThrow();
  const counts: [string, number][] = [];
  let empty = true;
  for (const [table, name] of Object.entries(tables) as [keyof typeof tables, string][]) {
    const count = await db
      .selectFrom(table)
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .where('gone_at', 'is', null)
      .executeTakeFirstOrThrow();
    counts.push([name, count.n]);
    empty &&= (await db.selectFrom(table).select('id').limit(1).executeTakeFirst()) === undefined;
  }
  const reserved = await db
    .selectFrom('reserved_ips')
    .select((eb) => eb.fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow();
  counts.push(['reserved address', reserved.n]);
  return {
    id: cloud.id,
    createdAt: cloud.created_at,
    enginesSince: cloud.engines_since,
    knows: counted(counts),
    empty: empty && reserved.n === 0,
  };
}

/** `3 machines` of `['machine', 3]`, without those of which there are none. */
export const counted = (counts: readonly (readonly [string, number])[]): string[] =>
  counts.filter(([, n]) => n > 0).map(([name, n]) => `${n} ${n === 1 ? name : plural(name)}`);

const plural = (name: string) =>
  name.endsWith('y') ? `${name.slice(0, -1)}ies` : name.endsWith('s') ? `${name}es` : `${name}s`;
