/**
 * The change of keys, while control planes run. The new key is in the file, and current, before any value is sealed with
 * it; they notice the file has changed. An old key leaves the file when no value is sealed with it, and none can be any
 * more. Where this is killed, at whatever moment, all values can be opened, and the next rotation goes on from there.
 */
import { type Clock, sleep } from '../base/clock.ts';
import { type Key, newKey, readKeyFile, writeKeyFile } from './key-file.ts';
import {
  keysInUse,
  placesOfOthers,
  replaceSealed,
  type SealedColumn,
  sealedColumns,
} from './sealed-columns.ts';
import { openSecrets, partsOf, UnreadableSecret } from './secrets.ts';
import type { Queryable, Store } from './store.ts';

/** How many values are sealed anew in one transaction. */
const batchSize = 200;
/** How long to wait for rows that others hold, ms. */
const pauseMs = 200;
/**
 * How long a key stays in the file after it was retired, ms: whoever sealed something just before, and had not yet
 * committed it, has done so by then, or never will. No request and no statement takes as long.
 */
export const graceMs = 3600 * 1000;

export interface RotationDeps {
  store: Pick<Store, 'db' | 'transaction'>;
  clock: Clock;
  /** The key file. */
  file: string;
  /** Called at each moment at which this may be killed, with what was just done: for tests. */
  after?: (done: string) => void | Promise<void>;
}

/**
 * Makes a new key the current one, and retires the one of before; where the last rotation was not finished, that is gone
 * on with instead. Answers the id of the current key, and whether it was made now.
 */
export async function beginRotation({
  clock,
  file,
  after,
}: RotationDeps): Promise<{ id: string; made: boolean }> {
  const keys = readKeyFile(file);
  if (keys.rotating) return { id: keys.current, made: false };
  const key = newKey(clock.now());
  const retired = (each: Key): Key =>
    each.id === keys.current ? { ...each, retiredAt: key.createdAt } : each;
  writeKeyFile(file, { ...keys, current: key.id, rotating: true, keys: [...keys.keys.map(retired), key] });
  await after?.('key made');
  return { id: key.id, made: true };
}

export interface Resealed {
  values: number;
  /** Those that could not be opened, and stay as they are: why, for a person. */
  unreadable: string[];
}

/** Seals with the current key whatever is sealed with another one; waits for rows that others hold. */
export async function resealAll(deps: RotationDeps, note: (progress: string) => void): Promise<Resealed> {
  const { store, clock, file, after } = deps;
  const secrets = openSecrets(file);
  const { current } = readKeyFile(file);
  const unreadable = new Set<string>();
  let values = 0;
  let stuck = 0;

  function reseal(sealed: string): string | undefined {
    const parts = partsOf(sealed);
    if (!parts || parts.key === current) return undefined;
    try {
      return secrets.seal(secrets.open(sealed, parts.context), parts.context);
    } catch (error) {
      if (!(error instanceof UnreadableSecret)) throw error;
      unreadable.add(`${parts.context}: ${error.message}`);
      stuck++;
      return undefined;
    }
  }

  /** Answers how many are left that others held, or changed meanwhile. */
  async function pass(column: SealedColumn): Promise<number> {
    const places = await placesOfOthers(store.db, column, current);
    let left = places.length;
    stuck = 0;
    for (let first = 0; first < places.length; first += batchSize) {
      const batch = places.slice(first, first + batchSize);
      const replaced = await replaceSealed(store, column, batch, reseal);
      left -= replaced;
      values += replaced;
      note(`${column.table}.${column.column}: ${first + batch.length} of ${places.length}`);
      await after?.(`${column.table}.${column.column} from ${first}`);
    }
    return left - stuck;
  }

  for (const column of await sealedColumns(store.db))
    while ((await pass(column)) > 0) await sleep(clock, pauseMs);
  return { values, unreadable: [...unreadable] };
}

/** Ends the rotation, and drops the keys that nothing is, or can be, sealed with any more. Answers their ids. */
export async function endRotation({ store, clock, file, after }: RotationDeps): Promise<string[]> {
  const { rotating: _, ...keys } = readKeyFile(file);
  const droppable = await unusedKeys(store.db, keys.keys, clock.now());
  writeKeyFile(file, { ...keys, keys: keys.keys.filter(({ id }) => !droppable.includes(id)) });
  await after?.('keys dropped');
  return droppable;
}

/** The ids of the keys that were retired long enough ago and seal nothing. */
async function unusedKeys(db: Queryable, keys: readonly Key[], now: Date): Promise<string[]> {
  const past = ({ retiredAt }: Key) =>
    retiredAt !== undefined && now.getTime() - Date.parse(retiredAt) >= graceMs;
  const used = new Set((await keysInUse(db)).map(({ key }) => key));
  return keys.filter((key) => past(key) && !used.has(key.id)).map(({ id }) => id);
}
