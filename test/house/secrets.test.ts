/** What must be readable again and is secret is sealed: no column keeps it in plain text, but for a reason. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database.ts';

/** Columns that are called like a secret, or may hold one, and are not sealed. */
const reasons: Readonly<Record<string, string>> = {
  'droplets.root_password_hash': 'a hash, of 96 random bits',
  'droplets.user_data':
    "the team's own text, which the droplet reads at its metadata service; not to be searched",
  'ssh_keys.public_key': 'public',
  'droplets.public_keys': 'public',
  'unsealed.plain':
    'from a migration to the next start of the control plane, which seals it; empty otherwise',
};

const named =
  /pass(?:word|wd|phrase)?|secret|credential|private|(?:^|_)keys?$|token|seed|totp|pem$|plain|user_data/;
/** Which are references to rows, or names and states of things. */
const harmless = /_id$|^private_ipv4$/;

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());

interface Column {
  name: string;
  sealed: boolean;
}

async function suspicious(): Promise<Column[]> {
  const { rows } = await database.store.pool.query<{ name: string; column: string; sealed: boolean }>(`
    select table_name || '.' || column_name as name, column_name as column, domain_name is not distinct from 'sealed' as sealed
    from information_schema.columns where table_schema = 'public' order by 1`);
  return rows.filter(({ column }) => named.test(column) && !harmless.test(column));
}

const unsealed = async () =>
  (await suspicious())
    .filter(({ sealed }) => !sealed)
    .map(({ name }) => name)
    .sort();

it('columns that are called like a secret are sealed, or have their reason', async () => {
  expect(await unsealed()).toEqual(Object.keys(reasons).sort());
  for (const reason of Object.values(reasons)) expect(reason).toMatch(/\w/);
});

it('some are', async () => {
  expect(await suspicious()).toContainEqual(
    expect.objectContaining({ name: 'droplets.new_password', sealed: true }),
  );
});

it('a new one is found', async () => {
  const { pool } = database.store;
  await pool.query(
    'create table clusters (id int, admin_password text, ca_key text, api_token text, seed sealed)',
  );
  const found = await unsealed();
  for (const column of ['admin_password', 'ca_key', 'api_token'])
    expect(found).toContain(`clusters.${column}`);
  expect(found).not.toContain('clusters.seed');
  await pool.query('drop table clusters');
});
