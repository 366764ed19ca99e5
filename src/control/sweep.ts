/**
 * The sweep: compares what the engines hold with the database, by one policy for all products. What has a row that says
 * it is gone is removed. What has no row at all is quarantined: rows are written before an engine is touched, and stay
 * long after it was cleared, so that a missing row means another database and never an orphan.
 */
import pg from 'pg';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Store } from '../store/store.ts';
import { endQuarantine, namesToRemove, putInQuarantine, quarantinedNames } from './quarantine.ts';
import { nudge } from './reconcile.ts';

/** Something that an engine holds. */
export interface Found {
  /** The engine's name of it, an id or an address: unique in its inventory. */
  name: string;
  urn: string;
  /** Removes it from its engine; one that is gone already is fine. */
  remove(): Promise<void>;
}

/** A resource of the control loop. */
export interface Resource {
  kind: string;
  id: string;
}

/** One kind of things that a product has in an engine. `Thing`: with what else it compares with the rows. */
export interface Inventory<Thing extends Found = Found> {
  /** What its things are called, for the operator: `machine`. */
  kind: string;
  /** Names are uuids: nothing new is ever mistaken for what is found, so that no start need wait for it. */
  unmistakable?: true;
  /** All that the engine holds of this product; what has another product's URN, or none, is not its business. */
  found(): Promise<Thing[]>;
  /** Which of these have a row, by name, and whether that says they are gone. At most `pageSize` are asked about. */
  rows(found: readonly Found[]): Promise<ReadonlyMap<string, 'here' | 'gone'>>;
  /** The resources whose rows do not fit what was found, read in pages. */
  outOfStep?(found: readonly Thing[]): AsyncIterable<Resource>;
}

export interface SweepDeps {
  store: Store;
  clock: Clock;
  log: Log;
  /** Aborts when the control plane ends: nothing more is begun. */
  signal: AbortSignal;
}

/** How many rows are read at once. */
export const pageSize = 500;

/** The session advisory lock of whoever sweeps. */
const sweepLock = 0x61746f73;
/** How many ids a line of the log names. */
const mostNamed = 20;

/**
 * Sweeps all inventories, unless another process is at it: then answers false, at once. What fails of one thing, or of
 * one inventory, keeps nothing from the others.
 */
export async function sweep(deps: SweepDeps, inventories: readonly Inventory[]): Promise<boolean> {
  // Of its own: it is kept for as long as the sweep takes, and the loop's runs need the pool's few. Its end frees the lock.
  const client = new pg.Client(deps.store.pool.options);
  // One that breaks is noticed by the next query.
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ mine: boolean }>('select pg_try_advisory_lock($1) as mine', [
      sweepLock,
    ]);
    if (!rows[0]?.mine) return false;
    for (const inventory of inventories) {
      if (deps.signal.aborted) break;
      await sweepOne(deps, inventory).catch((error: Error) => {
        if (deps.signal.aborted) return;
        deps.log.warn(
          { kind: inventory.kind, error: error.message },
          'a part of the sweep failed, the next one follows',
        );
      });
    }
    return true;
  } finally {
    await client.end().catch(() => {});
  }
}

async function sweepOne(deps: SweepDeps, inventory: Inventory): Promise<void> {
  const { store, clock, log, signal } = deps;
  const { kind } = inventory;
  const { found, gone, strangers } = await quarantine(deps, inventory);
  const asked = strangers.length > 0 ? await namesToRemove(store.db, kind) : new Set<string>();
  for (const { name, urn, remove } of [...gone, ...strangers.filter((each) => asked.has(each.name))]) {
    if (signal.aborted) return;
    try {
      await remove();
      log.warn(
        { kind, name, urn },
        asked.has(name)
          ? 'removed, by the word of the operator'
          : 'it was left over of something that is gone: removed',
      );
    } catch (error) {
      log.warn({ kind, name, urn, error: (error as Error).message }, 'it cannot be removed now');
    }
  }
  const nudged: string[] = [];
  for await (const resource of inventory.outOfStep?.(found) ?? []) {
    if (signal.aborted) return;
    await nudge(store.pool, resource.kind, resource.id, clock.now());
    nudged.push(resource.id);
  }
  if (nudged.length > 0)
    log.info(
      { kind, count: nudged.length, ids: nudged.slice(0, mostNamed) },
      'the sweep found what was out of step',
    );
}

/**
 * Writes down what has no row, and changes nothing in any engine. Answers what was found, and of that what has a row
 * that says it is gone, and what has none. Whatever has no row is looked for twice, since a row may have gone in the meantime with what it
 * stood for.
 */
export async function quarantine(
  { store, clock, log }: Pick<SweepDeps, 'store' | 'clock' | 'log'>,
  inventory: Inventory,
): Promise<{ found: Found[]; gone: Found[]; strangers: Found[] }> {
  const { kind } = inventory;
  const before = await quarantinedNames(store.db, kind);
  const found = await inventory.found();
  const rows = await rowsOf(inventory, found);
  const unknown = found.filter(({ name }) => !rows.has(name));
  const unexpected = unknown.filter(({ name }) => !before.has(name));
  const newcomers = unexpected.length > 0 ? await confirmed(inventory, unexpected) : [];
  const added = new Set(await putInQuarantine(store.db, kind, newcomers, clock.now()));
  for (const { name, urn } of newcomers)
    if (added.has(name))
      log.warn({ kind, name, urn }, 'the database does not know it: quarantined, see ./atoll orphans');
  const still = new Set(unknown.map(({ name }) => name));
  const ended = [...before].filter((name) => !still.has(name));
  await endQuarantine(store.db, kind, ended);
  for (const name of ended) log.info({ kind, name }, 'it is in quarantine no longer');
  return { found, gone: found.filter(({ name }) => rows.get(name) === 'gone'), strangers: unknown };
}

/** Of those that had no row, those that are there at a second look and have none then either. */
async function confirmed(inventory: Inventory, unknown: readonly Found[]): Promise<Found[]> {
  const names = new Set(unknown.map(({ name }) => name));
  return withoutRow(
    inventory,
    (await inventory.found()).filter(({ name }) => names.has(name)),
  );
}

/** Those of what was found that have no row. */
export async function withoutRow(inventory: Inventory, found: readonly Found[]): Promise<Found[]> {
  const rows = await rowsOf(inventory, found);
  return found.filter(({ name }) => !rows.has(name));
}

async function rowsOf(inventory: Inventory, found: readonly Found[]): Promise<Map<string, 'here' | 'gone'>> {
  const rows = new Map<string, 'here' | 'gone'>();
  for (let first = 0; first < found.length; first += pageSize)
    for (const [name, state] of await inventory.rows(found.slice(first, first + pageSize)))
      rows.set(name, state);
  return rows;
}

/** All rows of a query that reads a page of them after an id, in ascending order of their ids. */
export async function* pages<Row extends { id: number | string }>(
  read: (after: Row['id'] | undefined) => Promise<Row[]>,
): AsyncGenerator<Row> {
  for (let after: Row['id'] | undefined; ; ) {
    const rows = await read(after);
    yield* rows;
    const last = rows.at(-1);
    if (!last || rows.length < pageSize) return;
    after = last.id;
  }
}

/** `here` or `gone`, as a row says. */
export const stateOf = ({ gone_at }: { gone_at: Date | null }): 'here' | 'gone' =>
  gone_at === null ? 'here' : 'gone';
