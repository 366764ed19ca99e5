/** The keys of secrets are changed, while others read and write them, and killed at whatever moment. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { readKeyFile, writeKeyFile } from '../../src/store/key-file.ts';
import { beginRotation, endRotation, graceMs, type Resealed, resealAll } from '../../src/store/rotation.ts';
import { keysInUse } from '../../src/store/sealed-columns.ts';
import { openSecrets, partsOf } from '../../src/store/secrets.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { type TestSecrets, testSecrets } from '../support/secrets.ts';
import { until } from '../support/until.ts';

let database: TestDatabase;
let keys: TestSecrets;
/** More than two batches. */
const many = 450;

beforeEach(async () => {
  database = await testDatabase();
  keys = testSecrets();
  await query('create table things (id int primary key, secret sealed, note text)');
  await query('create table others (id int primary key, seed sealed not null)');
  await query(
    `insert into things select * from unnest($1::int[], $2::text[])`,
    Array.from({ length: many }, (_, id) => id),
    Array.from({ length: many }, (_, id) => seal(id)),
  );
  await query("insert into things values (-1, null, 'has none')");
  await query('insert into others values (1, $1)', keys.secrets.seal('seed', 'others.seed:1'));
});
afterEach(async () => {
  await database.drop();
  keys.remove();
});

const query = async <Row>(text: string, ...values: unknown[]): Promise<Row[]> =>
  (await database.store.pool.query(text, values)).rows as Row[];
const contextOf = (id: number) => `things.secret:${id}`;
const plainOf = (id: number) => `secret ${id}`;
const seal = (id: number) => keys.secrets.seal(plainOf(id), contextOf(id));
const deps = (changes: { clock?: Clock; after?: (done: string) => void | Promise<void> } = {}) => ({
  store: database.store,
  clock: systemClock,
  file: keys.file,
  ...changes,
});
const later = (ms: number): Clock => ({ ...systemClock, now: () => new Date(Date.now() + ms) });
const current = () => readKeyFile(keys.file).current;
const ids = () => readKeyFile(keys.file).keys.map(({ id }) => id);

/** As `./atoll secrets rotate` does. */
async function rotate(changes: Parameters<typeof deps>[0] = {}): Promise<Resealed & { dropped: string[] }> {
  await beginRotation(deps(changes));
  const resealed = await resealAll(deps(changes), () => {});
  return { ...resealed, dropped: await endRotation(deps(changes)) };
}

/** Every secret can be opened, by a process that has just started, with the keys that the file has now. */
async function expectAllReadable(): Promise<void> {
  const secrets = openSecrets(keys.file);
  const rows = await query<{ id: number; secret: string }>('select * from things where secret is not null');
  expect(rows).toHaveLength(many);
  for (const { id, secret } of rows) expect(secrets.open(secret, contextOf(id))).toBe(plainOf(id));
  const [other] = await query<{ seed: string }>('select seed from others');
  expect(secrets.open(other?.seed ?? '', 'others.seed:1')).toBe('seed');
}

describe('a rotation', () => {
  it('seals every value of every column with a new key', async () => {
    const before = current();
    expect(await rotate()).toEqual({ values: many + 1, unreadable: [], dropped: [] });
    expect(current()).not.toBe(before);
    expect(await keysInUse(database.store.db)).toEqual([{ key: current(), values: many + 1 }]);
    expect(readKeyFile(keys.file).rotating).toBeUndefined();
    await expectAllReadable();
  });

  it('drops the old key when nobody can seal anything with it any more', async () => {
    const first = current();
    await rotate();
    const second = current();
    expect(ids()).toEqual([first, second]);
    expect((await rotate({ clock: later(graceMs + 1_000) })).dropped).toEqual([first]);
    expect(ids()).toEqual([second, current()]);
    await expectAllReadable();
  });

  it('keeps an old key that a value is still sealed with, however old', async () => {
    const first = current();
    await rotate();
    // Sealed by a process that was stopped for a day, with the key that it held.
    const { keys: all, ...rest } = readKeyFile(keys.file);
    const now = { ...rest, keys: all };
    writeKeyFile(keys.file, { ...now, current: first });
    const late = keys.secrets.seal(plainOf(7), contextOf(7));
    writeKeyFile(keys.file, now);
    await query('update things set secret = $1 where id = 7', late);
    expect(await endRotation(deps({ clock: later(graceMs + 1_000) }))).toEqual([]);
    expect(ids()).toContain(first);
    await expectAllReadable();
    expect((await rotate({ clock: later(graceMs + 1_000) })).dropped).toContain(first);
    await expectAllReadable();
  });

  it('waits for rows that others hold, and for no lock', async () => {
    const other = await database.store.pool.connect();
    await other.query('begin');
    await other.query('update things set note = $1 where id in (3, 300)', ['held']);
    let over = false;
    const rotation = rotate().finally(() => {
      over = true;
    });
    await until(async () => {
      const [use] = (await keysInUse(database.store.db)).filter(({ key }) => key !== current());
      return use?.values === 2;
    });
    expect(over).toBe(false);
    await other.query('commit');
    other.release();
    await rotation;
    expect(await keysInUse(database.store.db)).toEqual([{ key: current(), values: many + 1 }]);
    expect(await query('select id from things where note = $1', 'held')).toHaveLength(2);
    await expectAllReadable();
  });

  it('leaves alone what it cannot open, says so, and ends', async () => {
    const sealed = seal(5);
    const lost = sealed.replace(/^\$s1\$[0-9a-f]{8}/, '$s1$00000000');
    await query('update things set secret = $1 where id = 5', lost);
    const tampered = `${seal(6).slice(0, -4)}AAAA`;
    await query('update things set secret = $1 where id = 6', tampered);
    const { values, unreadable } = await rotate();
    expect(values).toBe(many - 1);
    expect(unreadable.sort()).toEqual([
      expect.stringContaining('things.secret:5: ') as string,
      expect.stringContaining('things.secret:6: ') as string,
    ]);
    expect(unreadable.join()).toContain('lacks key 00000000');
    expect(await query('select secret from things where id in (5, 6) order by id')).toEqual([
      { secret: lost },
      { secret: tampered },
    ]);
  });
});

it('killed at any moment it leaves all secrets readable, and the next one goes on', async () => {
  const moments: string[] = [];
  await rotate({ after: (done) => void moments.push(done) });
  expect(moments).toEqual([
    'key made',
    'others.seed from 0',
    'things.secret from 0',
    'things.secret from 200',
    'things.secret from 400',
    'keys dropped',
  ]);
  for (const moment of moments) {
    const old = current();
    const killed = rotate({
      after(done) {
        if (done === moment) throw new Error(`killed after ${done}`);
      },
    });
    await expect(killed).rejects.toThrow(`killed after ${moment}`);
    const made = current();
    expect(made).not.toBe(old);
    await expectAllReadable();
    const left = (await keysInUse(database.store.db)).find(({ key }) => key !== made)?.values ?? 0;
    const { values } = await rotate();
    if (moment === 'keys dropped') continue;
    // It is the same rotation that goes on, and it does nothing twice.
    expect(current()).toBe(made);
    expect(values).toBe(left);
    expect(await keysInUse(database.store.db)).toEqual([{ key: made, values: many + 1 }]);
    await expectAllReadable();
  }
});

it('killed within a batch it has done none of it', async () => {
  await query(`create function stop() returns trigger language plpgsql as
    $$ begin raise exception 'killed within'; end $$`);
  await query(
    `create trigger stop after update on things for each row when (new.id = 150) execute function stop()`,
  );
  await expect(rotate()).rejects.toThrow('killed within');
  const uses = await keysInUse(database.store.db);
  expect(uses.find(({ key }) => key === current())?.values).toBe(1);
  await expectAllReadable();
  await query('drop trigger stop on things');
  await rotate();
  await expectAllReadable();
});

it('others go on reading and writing meanwhile: each seals with the newest key at once', async () => {
  const running = openSecrets(keys.file);
  const over = new AbortController();
  const written = new Map<number, string>();
  const work = (async () => {
    for (let id = many; !over.signal.aborted; id++) {
      const plain = plainOf(id);
      const [row] = await query<{ secret: string }>(
        'insert into things values ($1, $2) returning secret',
        id,
        running.seal(plain, contextOf(id)),
      );
      written.set(id, plain);
      expect(running.open(row?.secret ?? '', contextOf(id))).toBe(plain);
      const [any] = await query<{ id: number; secret: string }>(
        'select id, secret from things where secret is not null order by random() limit 1',
      );
      if (any) expect(running.open(any.secret, contextOf(any.id))).toBe(plainOf(any.id));
    }
  })();
  for (let round = 0; round < 3; round++) {
    await rotate({ clock: later(round * 2 * graceMs) });
    const key = current();
    expect(partsOf(running.seal('x', 'a.b:1'))?.key).toBe(key);
  }
  over.abort();
  await work;
  expect(written.size).toBeGreaterThan(3);
  const secrets = openSecrets(keys.file);
  const rows = await query<{ id: number; secret: string }>(
    'select id, secret from things where secret is not null',
  );
  expect(rows).toHaveLength(many + written.size);
  for (const { id, secret } of rows) expect(secrets.open(secret, contextOf(id))).toBe(plainOf(id));
});

it('a column of the domain takes no plain text', async () => {
  for (const text of ['hunter2', '', `x${seal(1)}`, `${seal(1)} `, seal(1).replace('$s1', '$s2')])
    await expect(query('update things set secret = $1 where id = 1', text)).rejects.toThrow('sealed_check');
  await query('update things set secret = $1 where id = 1', seal(1));
});
