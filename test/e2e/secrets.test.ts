/** The key file of a home, from the launcher down: made, changed while all runs and is killed, lost, brought back. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { withStore } from '../../src/cli/database.ts';
import { type Config, paths, readConfig } from '../../src/config.ts';
import { serviceUser } from '../../src/setup/user.ts';
import { readKeyFile } from '../../src/store/key-file.ts';
import { keysInUse } from '../../src/store/sealed-columns.ts';
import { openSecrets } from '../../src/store/secrets.ts';
import type { Store } from '../../src/store/store.ts';
import { atollCli, mustAtoll } from '../support/cli.ts';
import { order } from '../support/droplets.ts';
import { freePort } from '../support/real-atoll.ts';
import { type RemoteClient, remoteClient } from '../support/remote-client.ts';
import { until } from '../support/until.ts';

const many = 1_000;
let directory: string;
let home: string;
let config: Config;
let api: RemoteClient;
const atoll = (...args: string[]) => mustAtoll(home)(...args);
const stored = <T>(work: (store: Store) => Promise<T>) => withStore(home, config, work);
const keys = () => readKeyFile(paths(home).keys);

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'at-keys-'));
  home = join(directory, 'home');
  await atoll('up', '--simulated', '--port', String(await freePort()));
  config = readConfig(home);
  api = remoteClient(await atoll('env'));
  const secrets = openSecrets(paths(home).keys);
  await stored(async ({ pool }) => {
    await pool.query('create table things (id int primary key, secret sealed)');
    const ids = Array.from({ length: many }, (_, id) => id);
    const sealed = ids.map((id) => secrets.seal(`secret ${id}`, `things.secret:${id}`));
    await pool.query('insert into things select * from unnest($1::int[], $2::text[])', [ids, sealed]);
  });
});
afterAll(async () => {
  await atollCli(home)('destroy', '--yes', '--keep-cache');
  rmSync(directory, { recursive: true, force: true });
});

async function expectAllReadable(): Promise<void> {
  const secrets = openSecrets(paths(home).keys);
  const { rows } = await stored(({ pool }) =>
    pool.query<{ id: number; secret: string }>('select * from things'),
  );
  expect(rows).toHaveLength(many);
  for (const { id, secret } of rows) expect(secrets.open(secret, `things.secret:${id}`)).toBe(`secret ${id}`);
}

/** Orders a droplet without SSH keys, and answers the password that was mailed. */
async function passwordOfNew(): Promise<string> {
  const { droplet } = await api.expect(202, 'POST', '/v2/droplets', order);
  const file = join(paths(home).mail, `droplet-${droplet.id}-password.txt`);
  await until(() => existsSync(file));
  return /^Password: (\S{16})$/m.exec(readFileSync(file, 'utf8'))?.[1] ?? '';
}

it('the key file is the control plane’s, closed to all others, and no key is shown', async () => {
  const { mode, uid } = statSync(paths(home).keys);
  expect(mode & 0o777).toBe(0o600);
  expect(uid).toBe(serviceUser()?.uid ?? process.getuid?.());
  const [key] = keys().keys;
  const shown = await atoll('secrets');
  expect(shown).toContain(`${key?.id}  current`);
  expect(shown).toContain('1000 secrets');
  const all = [
    shown,
    await atoll('secrets', '--json'),
    await atoll('doctor'),
    await atoll('status', '--json'),
  ];
  for (const text of all) expect(text).not.toContain(key?.key);
});

it('keys are changed while the control plane works; killed, it is gone on with', async () => {
  const before = keys().current;
  // In a process group of its own: the launcher and what it runs.
  const child = spawn(join(import.meta.dirname, '../../atoll'), ['secrets', 'rotate', '--home', home], {
    detached: true,
    stdio: 'ignore',
  });
  const gone = once(child, 'exit');
  const sealedAnew = async () => {
    const uses = await stored(({ db }) => keysInUse(db));
    return keys().current === before ? 0 : (uses.find(({ key }) => key === keys().current)?.values ?? 0);
  };
  await until(async () => child.exitCode !== null || (await sealedAnew()) > 0);
  if (child.exitCode === null) process.kill(-(child.pid ?? 0), 'SIGKILL');
  await gone;
  await expectAllReadable();
  expect(await passwordOfNew()).toHaveLength(16);
  await atoll('secrets', 'rotate');
  expect(await stored(({ db }) => keysInUse(db))).toEqual([{ key: keys().current, values: many }]);
  await expectAllReadable();
  const { mode, uid } = statSync(paths(home).keys);
  expect([mode & 0o777, uid]).toEqual([0o600, serviceUser()?.uid ?? process.getuid?.()]);
});

it('no password that was mailed, and no key, is in any other file of the home', async () => {
  const password = await passwordOfNew();
  const hidden = [password, ...keys().keys.map(({ key }) => key)];
  const { secrets, mail } = paths(home);
  await until(async () => {
    const [{ n } = { n: 1 }] = (
      await stored(({ pool }) =>
        pool.query<{ n: number }>('select count(*) as n from reconcile where done < wanted'),
      )
    ).rows;
    return n === 0;
  });
  const files = readdirSync(home, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((file) => !file.startsWith(secrets) && !file.startsWith(mail));
  expect(files.length).toBeGreaterThan(100);
  const found = files.filter((file) => {
    const bytes = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
    return hidden.some((text) => bytes.includes(text));
  });
  expect(found).toEqual([]);
});

it('a key file that is gone is not replaced in silence; brought back, all is well', async () => {
  const { keys: file } = paths(home);
  const backup = join(directory, 'backup.json');
  copyFileSync(file, backup);
  rmSync(file);
  const refused = await atollCli(home)('up');
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(`The key file ${file} is gone, and the database has 1000 secrets`);
  expect(refused.stderr).toContain('--accept-lost-secrets');
  expect(existsSync(file)).toBe(false);
  expect(await atoll('doctor')).toContain(`the key file ${file} is gone`);
  const { status } = await api.call('POST', '/v2/droplets', order);
  expect(status).toBe(503);

  // As root restores it: with a mode and an owner of its own.
  copyFileSync(backup, file);
  await atoll('up');
  await expectAllReadable();
  expect(await passwordOfNew()).toHaveLength(16);

  rmSync(file);
  expect(await atoll('up', '--accept-lost-secrets')).toContain('1000 secrets of the lost one cannot be read');
  expect(await atoll('doctor')).toContain('1000 secrets cannot be read');
  expect(await atoll('up')).toContain('1000 secrets cannot be read');
  expect(await passwordOfNew()).toHaveLength(16);
  const rotated = await atollCli(home)('secrets', 'rotate');
  expect(rotated.code).toBe(1);
  expect(rotated.stderr).toMatch(/^not sealed anew: things\.secret:\d+: .* lacks key/m);
});

it('is removed with the home', async () => {
  await atoll('destroy', '--yes', '--keep-cache');
  expect(existsSync(home)).toBe(false);
});
