import { chmodSync, chownSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { bootstrap, createToken, firstTeam } from '../cloud/account/index.ts';
import { adoptGolden } from '../cloud/golden/index.ts';
import { type Config, paths, readConfig } from '../config.ts';
import { ForeignEngines } from '../control/cloud-id.ts';
import { ensurePostgres } from '../setup/postgres.ts';
import { canExecute, ensureUser, privateDirectory, showing, type User } from '../setup/user.ts';
import { MigrationFailed, migrate, NewerDatabase } from '../store/migrate.ts';
import type { Store } from '../store/store.ts';
import { type ConfigOptions, configure, modeOf, writeConfig } from './configure.ts';
import {
  checkNewAddress,
  checkout,
  codeDirectories,
  ensureControlPlane,
  ensureHostd,
  type OlderControlPlane,
  olderControlPlane,
} from './control-plane.ts';
import { withStore } from './database.ts';
import { publicUrl } from './endpoint.ts';
import { bringImages, parseProducts, releaseImages } from './golden.ts';
import { registerHome, writeFileAtomically } from './machine.ts';
import { ensureKeys } from './secrets-keys.ts';
import { type Steps, together } from './steps.ts';
import { ensureTls } from './tls.ts';

export interface UpOptions extends ConfigOptions {
  tlsCert?: string | undefined;
  tlsKey?: string | undefined;
  /** Takes the database for that of the engines, whatever they say. */
  acceptDatabase?: boolean | undefined;
  /** Makes a new key file though secrets were sealed with one that is lost. */
  acceptLostSecrets?: boolean | undefined;
  /** Whose images are built now and kept, and whose no longer: `balancers,databases`. */
  products?: string | undefined;
  withoutProducts?: string | undefined;
}

export interface Running {
  config: Config;
  url: string;
}

const isRoot = () => process.getuid?.() === 0;

/** Directories that processes of different users share, with who may enter them. */
async function prepareHome(home: string, mode: Config['mode'], user: User | undefined): Promise<void> {
  const { run, log, imports, mail, operator } = paths(home);
  mkdirSync(run, { recursive: true });
  mkdirSync(log, { recursive: true });
  chmodSync(log, 0o700);
  // hostd's socket lies in it, for the control plane.
  chmodSync(run, 0o750);
  // The control plane keeps the simulated world in it.
  if (mode === 'simulated') privateDirectory(join(home, 'simulated'), user);
  // Downloaded images lie in it until hostd takes them.
  else privateDirectory(imports, user);
  privateDirectory(mail, user);
  privateDirectory(operator, user);
  if (!user) return;
  chownSync(run, 0, user.gid);
  // A umask may have closed it. What is secret in it is closed by itself.
  chmodSync(home, statSync(home).mode | 0o011);
}

/**
 * The user that the processes of this home run as: shown the home and the code where it could not reach them. Not a home
 * of real droplets, whose own users must reach their disks.
 */
async function userOf(home: string, mode: Config['mode'], user: User): Promise<User> {
  const reaching = await canExecute(user, home);
  if (mode === 'real' && !reaching) {
    throw new Error(
      `The user ${user.name} cannot reach ${home}: a directory above it is closed, to droplets as well. ` +
        'Choose a home below one that all may enter (such as /var/lib) by --home.',
    );
  }
  const shown = await showing(user, [{ path: home, writable: true }, ...codeDirectories()]);
  if (!(await canExecute(shown, join(checkout, 'src/http'))))
    throw new Error(`The user ${user.name} may not read ${checkout}: chmod -R go+rX ${checkout}`);
  return shown;
}

/** PostgreSQL (unless somebody else's is used). @throws NewerDatabase */
async function bringDatabase(
  home: string,
  config: Config,
  user: User | undefined,
  { step }: Steps,
): Promise<void> {
  await step('PostgreSQL', async () => {
    if (config.databaseUrl) return 'the one of the configured URL';
    const { major, started } = await ensurePostgres({ home, user });
    return `${major} ${started ? 'started' : 'runs'}`;
  });
  await withStore(home, config, async () => {});
}

/**
 * Brings the database to the schema of this code, and ends a control plane of other code at the moment in which its own is
 * gone: until then it serves, and after a migration that fails it goes on.
 */
async function bringSchema(
  home: string,
  config: Config,
  older: OlderControlPlane | undefined,
  { step }: Steps,
): Promise<void> {
  const beforeCommit = () => older?.tell();
  await withStore(home, config, ({ pool }) =>
    step('database schema', async () => {
      const ran = await migrate(pool, { beforeCommit });
      return ran.length > 0 ? ran.join(', ') : 'up to date';
    }),
  ).catch((error: unknown) => {
    if (!(error instanceof MigrationFailed)) throw error;
    throw new Error(
      `${error.message} What ran before goes on as it was. Run ./atoll up again when what it names is put right ` +
        '(docs/upgrading.md), or check out the version of before.',
      { cause: error },
    );
  });
}

/** The keys of the secrets in the database. */
async function bringSecrets(
  home: string,
  config: Config,
  user: User | undefined,
  { acceptLostSecrets: acceptLost = false }: UpOptions,
  { step }: Steps,
): Promise<void> {
  const now = systemClock.now();
  await withStore(home, config, async ({ db }) => {
    await step('secrets', () => ensureKeys({ home, user, db, now }, { acceptLost }));
  });
}

/** The database was refused, or is not to be had: the next `up` goes on with the one of before, unless it is told otherwise. */
function keepDatabaseUrl(
  home: string,
  config: Config,
  before: Config | undefined,
  user: User | undefined,
): void {
  if (!before || before.databaseUrl === config.databaseUrl) return;
  const { databaseUrl: _, ...others } = config;
  writeConfig(
    home,
    { ...others, ...(before.databaseUrl !== undefined && { databaseUrl: before.databaseUrl }) },
    user?.gid,
  );
}

/**
 * Sees to it that the home has a token: the one of the first run, or another where the file of that is gone.
 * Answers whether it made one.
 */
async function ensureToken(home: string, store: Store): Promise<boolean> {
  const file = paths(home).token;
  let made = await bootstrap(store, systemClock);
  if (!made && existsSync(file)) return false;
  if (!made) {
    const team = await firstTeam(store.db);
    if (!team) throw new Error('the database has no team');
    made = await createToken(store.db, { ...team, name: 'atoll up', scopes: ['*'] }, systemClock);
  }
  writeFileAtomically(file, `${made.token}\n`, 0o600);
  return true;
}

/**
 * Starts what an Atoll needs, makes what is missing and leaves alone what is there: again and again with the same
 * end. Throws with the remedy where that cannot be.
 */
export async function bringUp(home: string, options: UpOptions, steps: Steps): Promise<Running> {
  const { step } = steps;
  const ahead = options.products === undefined ? [] : parseProducts('with', options.products);
  const released =
    options.withoutProducts === undefined ? [] : parseProducts('without', options.withoutProducts);
  const real = modeOf(home, options) === 'real';
  if (real && !isRoot()) {
    throw new Error('Real droplets need root: run this by sudo, or try the simulated mode (--simulated).');
  }
  // First, because the configuration asks `ip` for the networks of this machine.
  const realParts = real ? await import('./bring-up-real.ts') : undefined;
  await realParts?.bringMachine(steps);
  const { user: service } = await ensureUser();
  const before = existsSync(paths(home).config) ? readConfig(home) : undefined;
  const { config, changes, created } = await configure(home, options);
  if (before) await checkNewAddress(before.listen, config.listen);
  let user = service;
  await step('configuration', async () => {
    const tls = await ensureTls(home, config, { cert: options.tlsCert, key: options.tlsKey, user });
    if (tls) config.tls = tls;
    else delete config.tls;
    writeConfig(home, config, user?.gid);
    if (isRoot()) registerHome(config.id, home);
    await prepareHome(home, config.mode, user);
    if (user) user = await userOf(home, config.mode, user);
    return created ? 'made' : changes.join(', ') || 'kept';
  });

  const refused = (error: unknown) => {
    // The version that it belongs to goes on with what it had.
    if (error instanceof NewerDatabase && before) writeConfig(home, before, user?.gid);
    else keepDatabaseUrl(home, config, before, user);
    throw error;
  };
  const database = bringDatabase(home, config, user, steps).catch(refused);
  // A home that is there may be of a newer version: its engines are left alone then.
  if (!created) await database;
  const engine =
    realParts && user ? realParts.bringEngine(home, config, user, steps) : Promise.resolve(undefined);
  await together([database, engine]);
  const older = olderControlPlane(home, config);
  await bringSchema(home, config, older, steps).catch(refused);
  await bringSecrets(home, config, user, options, steps);
  const image = (await engine)?.image;
  // What was put into the engine just now need not be put there again.
  if (image) await withStore(home, config, ({ db }) => adoptGolden(db, image, systemClock.now()));
  const processes = async () => {
    // Also where the schema is the same: it may not understand what hostd says from now on.
    await older?.stop();
    if (real) await step('hostd', () => ensureHostd(home, config));
    await step('control plane', () =>
      ensureControlPlane(home, config, user, {
        acceptDatabase: options.acceptDatabase ?? false,
        replaces: older !== undefined,
      }),
    ).catch((error: unknown) => {
      if (error instanceof ForeignEngines) keepDatabaseUrl(home, config, before, user);
      throw error;
    });
    // Not before: a database that is refused gets no account, and the token stays that of the right one.
    await withStore(home, config, (store) =>
      step('account', async () => ((await ensureToken(home, store)) ? 'token made' : 'there')),
    );
  };
  const mounts = async () => {
    if ((await engine)?.isNew) await realParts?.bringMounts(home, config, steps);
  };
  await together([processes(), mounts()]);
  if (released.length > 0) await withStore(home, config, (store) => releaseImages(store, released));
  if (ahead.length > 0) await withStore(home, config, (store) => bringImages(store, ahead, steps));
  return { config, url: publicUrl(config) };
}
