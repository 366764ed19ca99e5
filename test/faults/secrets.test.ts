/** Secrets of a whole control plane: what it writes and logs of them, keys that change or are lost, older databases. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { EngineError } from '../../src/base/engine-error.ts';
import { firstKeys, readKeyFile, writeKeyFile } from '../../src/store/key-file.ts';
import { migrate } from '../../src/store/migrate.ts';
import { beginRotation, endRotation, resealAll } from '../../src/store/rotation.ts';
import { keysInUse } from '../../src/store/sealed-columns.ts';
import { openSecrets, partsOf } from '../../src/store/secrets.ts';
import { startAtoll, type TestAtoll } from '../support/atoll.ts';
import { testDatabase } from '../support/database.ts';
import { createDroplet, ended, order } from '../support/droplets.ts';
import { until } from '../support/until.ts';

let atoll: TestAtoll;
let logged = '';
/** While closed, no letter is sent. */
let mailbox: 'open' | 'closed' = 'open';
beforeEach(async () => {
  logged = '';
  mailbox = 'open';
  const stream = new Writable({
    write(chunk, _, done) {
      logged += String(chunk);
      done();
    },
  });
  atoll = await startAtoll({ log: pino({ level: 'trace' }, stream) });
  await atoll.restart({ mail });
});
afterEach(() => atoll.close());

const mail = {
  async send(letter: { name: string; subject: string; text: string }) {
    if (mailbox === 'closed') throw new EngineError('unavailable', 'the mailbox is closed');
    atoll.letters.set(letter.name, letter);
  },
};
const deps = () => ({ store: atoll.database.store, clock: systemClock, file: atoll.keys.file });
const mailed = (id: number) =>
  /^Password: (\S{16})$/m.exec(atoll.letters.get(`droplet-${id}-password`)?.text ?? '')?.[1] ?? '';
const kept = async (id: number) =>
  (
    await atoll.database.store.db
      .selectFrom('droplets')
      .select('new_password')
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
  ).new_password;
const post = async () => {
  const { droplet, links } = await atoll.api.expect(202, 'POST', '/v2/droplets', order);
  return { id: droplet.id as number, action: links.actions[0].id as number };
};
/** All rows of all tables, as text. */
async function everything(): Promise<string> {
  const { pool } = atoll.database.store;
  const { rows } = await pool.query<{ name: string }>(
    "select table_name as name from information_schema.tables where table_schema = 'public'",
  );
  const texts = await Promise.all(
    rows.map(async ({ name }) => JSON.stringify((await pool.query(`select * from ${name}`)).rows)),
  );
  return texts.join('\n');
}

describe('a password that waits to be mailed', () => {
  it('is nowhere in plain text: not in the database, and in no log, whatever happens to it', async () => {
    mailbox = 'closed';
    const orders = [await post(), await post()];
    const [{ id }] = orders as [(typeof orders)[0]];
    await until(() => logged.includes('the mailbox is closed'));
    const sealed = (await kept(id)) ?? '';
    expect(partsOf(sealed)?.context).toBe(`droplets.new_password:${id}`);
    const [waiting, password] = [
      await everything(),
      atoll.keys.secrets.open(sealed, `droplets.new_password:${id}`),
    ];
    mailbox = 'open';
    for (const { action } of orders) expect((await ended(atoll.api, action)).status).toBe('completed');
    expect(mailed(id)).toBe(password);
    const reset = await atoll.api.expect(201, 'POST', `/v2/droplets/${id}/actions`, {
      type: 'password_reset',
    });
    atoll.world.fail('setRootPassword', new EngineError('failed', 'the guest does not answer'));
    await ended(atoll.api, reset.action.id);
    const passwords = [password, mailed(id), ...orders.map((each) => mailed(each.id))];
    expect(new Set(passwords).size).toBe(3);
    expect(await kept(id)).toBeNull();
    const after = await everything();
    expect(logged.length).toBeGreaterThan(1_000);
    for (const each of passwords) {
      expect(each).toHaveLength(16);
      for (const text of [waiting, after, logged]) expect(text).not.toContain(each);
    }
    const { keys } = readKeyFile(atoll.keys.file);
    for (const { key } of keys) for (const text of [waiting, after, logged]) expect(text).not.toContain(key);
  });

  it('is mailed though keys change meanwhile, and the control plane is killed', async () => {
    mailbox = 'closed';
    const orders = [await post(), await post(), await post()];
    const before = await Promise.all(
      orders.map(async ({ id }) =>
        atoll.keys.secrets.open((await kept(id)) ?? '', `droplets.new_password:${id}`),
      ),
    );
    await beginRotation(deps());
    await atoll.restart({ mail });
    expect((await resealAll(deps(), () => {})).values).toBe(3);
    await endRotation(deps());
    orders.push(await post());
    expect(await keysInUse(deps().store.db)).toEqual([
      { key: readKeyFile(atoll.keys.file).current, values: 4 },
    ]);
    mailbox = 'open';
    for (const { action } of orders) expect((await ended(atoll.api, action)).status).toBe('completed');
    expect(orders.slice(0, 3).map(({ id }) => mailed(id))).toEqual(before);
  });

  it('copied into another droplet is not mailed to its owner', async () => {
    mailbox = 'closed';
    const [one, two] = [await post(), await post()];
    const copied = await kept(one.id);
    await atoll.database.store.db
      .updateTable('droplets')
      .set({ new_password: copied })
      .where('id', '=', two.id)
      .execute();
    mailbox = 'open';
    expect((await ended(atoll.api, one.action)).status).toBe('completed');
    expect((await ended(atoll.api, two.action)).status).toBe('errored');
    expect(mailed(two.id)).toBe('');
  });

  it('whose key is lost ends its action with a remedy, and the next one works', async () => {
    mailbox = 'closed';
    const { id, action } = await post();
    await until(() => logged.includes('the mailbox is closed'));
    const { current } = readKeyFile(atoll.keys.file);
    writeKeyFile(atoll.keys.file, firstKeys(new Date()));
    // The process of before has the key that its file has lost.
    await atoll.restart({ mail, secrets: openSecrets(atoll.keys.file) });
    mailbox = 'open';
    const errored = await ended(atoll.api, action);
    expect(errored.status).toBe('errored');
    expect(errored.message).toContain('./atoll doctor');
    expect(logged).toContain(`lacks key ${current}, which this was sealed with. Restore `);
    expect(mailed(id)).toBe('');
    await createDroplet(atoll.api);
  });
});

it('passwords of before they were sealed are sealed when the control plane starts, and mailed', async () => {
  mailbox = 'closed';
  const { id, action } = await post();
  await until(() => logged.includes('the mailbox is closed'));
  const { pool } = atoll.database.store;
  await pool.query('update droplets set new_password = null where id = $1', [id]);
  await pool.query("insert into unsealed values ('droplets.new_password', $1, 'plain-of-before-')", [
    String(id),
  ]);
  await atoll.restart({ mail });
  expect((await pool.query('select * from unsealed')).rows).toEqual([]);
  expect(partsOf((await kept(id)) ?? '')?.key).toBe(readKeyFile(atoll.keys.file).current);
  mailbox = 'open';
  expect((await ended(atoll.api, action)).status).toBe('completed');
  expect(mailed(id)).toBe('plain-of-before-');
  expect(logged).not.toContain('plain-of-before-');
});

it('the migration keeps plain passwords for that, and none in the table of droplets', async () => {
  const fresh = await testDatabase();
  const { pool } = fresh.store;
  try {
    await pool.query('drop schema public cascade; create schema public');
    await pool.query(
      'create table migrations (name text primary key, checksum text not null, at timestamptz not null default now())',
    );
    const directory = 'src/store/migrations';
    const sealing = '020_secrets.sql';
    for (const file of readdirSync(directory).sort()) {
      if (file >= sealing) break;
      const text = readFileSync(join(directory, file), 'utf8');
      await pool.query(text);
      const checksum = createHash('sha256').update(text).digest('hex');
      await pool.query('insert into migrations (name, checksum) values ($1, $2)', [file, checksum]);
    }
    const at = new Date();
    await pool.query("insert into teams (id, name, created_at) values (gen_random_uuid(), 't', $1)", [at]);
    await pool.query(
      `insert into vpcs (id, team_id, name, region, ip_range, is_default, created_at, description)
       select gen_random_uuid(), id, 'v', 'nyc3', '10.1.0.0/20', true, $1, '' from teams`,
      [at],
    );
    for (const [id, password] of [
      [7, 'plain-7'],
      [8, null],
    ])
      await pool.query(
        `insert into droplets (id, team_id, name, region, size, image_id, vpc_id, features, public_keys, public_ipv4,
           private_ipv4, created_at, new_password)
         overriding system value
         select $1, team_id, 'd', 'nyc3', 's-1vcpu-1gb', 1, id, '{}', '{}', '198.18.0.9', '10.1.0.9', $2, $3 from vpcs`,
        [id, at, password],
      );
    const { rows: before } = await pool.query('select id, version from droplets order by id');
    expect(await migrate(pool)).toContain(sealing);
    expect((await pool.query('select * from unsealed')).rows).toEqual([
      { source: 'droplets.new_password', row_id: '7', plain: 'plain-7' },
    ]);
    const { rows } = await pool.query('select id, version, new_password from droplets order by id');
    expect(rows).toEqual(before.map((row: object) => ({ ...row, new_password: null })));
  } finally {
    await fresh.drop();
  }
});
