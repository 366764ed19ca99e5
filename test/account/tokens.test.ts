import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drivenClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { bootstrap, createToken, firstTeam, listTokens, revokeToken } from '../../src/cloud/account/index.ts';
import { cloudOperations } from '../../src/cloud/index.ts';
import { authenticator, tokenChannel } from '../../src/http/auth.ts';
import { ApiError } from '../../src/http/errors.ts';
import { rateLimit } from '../../src/http/rate-limit.ts';
import { buildServer } from '../../src/http/server.ts';
import { type ChannelListener, type Listening, openSession, type Session } from '../../src/store/session.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { noSecrets } from '../support/secrets.ts';
import { simulatedContext } from '../support/simulated-context.ts';

let database: TestDatabase;
let owner: { teamId: string; userId: string };
let firstToken: string;
const clock = drivenClock();
const silent = { debug() {}, warn() {}, error() {}, isLevelEnabled: () => false };

beforeAll(async () => {
  database = await testDatabase();
  const [one, two] = await Promise.all([bootstrap(database.store, clock), bootstrap(database.store, clock)]);
  if (one && two) throw new Error('two first runs');
  firstToken = (one ?? two)?.token ?? '';
  const found = await firstTeam(database.store.db);
  if (!found) throw new Error('no team');
  owner = found;
});
afterAll(async () => {
  await Promise.all(sessions.map((session) => session.end()));
  await database.drop();
});

const create = (name: string, rest: { scopes?: string[]; ttlMs?: number } = {}) =>
  createToken(database.store.db, { ...owner, name, scopes: ['*'], ...rest }, clock);

const sessions: Session[] = [];
const sessionOf = (): Session => {
  const session = openSession({
    address: database.address,
    name: 'test',
    // A connection that broke stays broken until the test lets time pass.
    clock,
    log: silentLog,
    random: Math.random,
  });
  sessions.push(session);
  return session;
};
const on =
  (session: Session) =>
  (listener: ChannelListener): Listening =>
    session.listen(tokenChannel, listener);

/** An authenticator that has begun to listen. */
async function listening() {
  const session = sessionOf();
  await session.start();
  const auth = authenticator({ store: database.store, clock, log: silent, listen: on(session) });
  await expect
    .poll(async () => {
      const { rows } = await database.store.pool.query(
        "select 1 from pg_stat_activity where datname = current_database() and query = 'listen atoll_token'",
      );
      return rows.length;
    })
    .toBeGreaterThan(0);
  const authenticate = async (token: string) => auth.authenticate(`Bearer ${token}`, '192.0.2.1');
  /** Asked again, it answers at once only what it remembers. */
  const remembers = (token: string) => {
    const answer = auth.authenticate(`Bearer ${token}`, '192.0.2.1');
    if (!(answer instanceof Promise)) return true;
    answer.catch(() => {});
    return false;
  };
  return { ...auth, authenticate, remembers };
}

const unauthorized = expect.objectContaining({ id: 'unauthorized' });

describe('the first run', () => {
  it('makes one team with a token that can do everything', async () => {
    expect(firstToken).toMatch(/^dop_v1_[0-9a-f]{64}$/);
    expect(await listTokens(database.store.db, owner.teamId, clock)).toMatchObject([
      { name: 'first', scopes: ['*'] },
    ]);
  });

  it('happens once', async () => {
    expect(await bootstrap(database.store, clock)).toBeUndefined();
  });
});

describe('a token', () => {
  it('is stored only as its hash', async () => {
    const { id, token } = await create('hashed');
    const { rows } = await database.store.pool.query('select t::text as text from tokens t where id = $1', [
      id,
    ]);
    expect(rows[0].text).not.toContain(token.slice(7));
  });

  it('with an unknown scope is refused, and the scope named', async () => {
    const refused = create('x', { scopes: ['droplet:read', 'droplet:fly'] });
    await expect(refused).rejects.toThrow('scopes has what is no scope: droplet:fly.');
    await expect(refused).rejects.toBeInstanceOf(ApiError);
  });

  it('without a name or scopes is refused', async () => {
    await expect(create(' ')).rejects.toThrow('name must have 1 to 255 characters.');
    await expect(create('x', { scopes: [] })).rejects.toThrow('scopes must name at least one scope');
  });

  it('is known with its scopes, and remembered', async () => {
    const auth = await listening();
    const { id, token } = await create('known', { scopes: ['droplet:read'] });
    expect(await auth.authenticate(token)).toEqual({ ...owner, tokenId: id, scopes: ['droplet:read'] });
    expect(auth.remembers(token)).toBe(true);
    await clock.advance(5_000);
    expect(auth.remembers(token)).toBe(false);
    await auth.close();
  });

  it('that is unknown is unauthorized', async () => {
    const auth = await listening();
    for (const token of ['x', `dop_v1_${'0'.repeat(64)}`]) {
      await expect(auth.authenticate(token)).rejects.toEqual(unauthorized);
    }
    await auth.close();
  });

  it('that is unknown costs the database little, however many come', async () => {
    const auth = await listening();
    const { token } = await create('regular');
    await auth.authenticate(token);
    await clock.advance(5_000);
    const { pool } = database.store;
    const query = pool.query.bind(pool) as (...args: unknown[]) => Promise<unknown>;
    let [asked, under, most] = [0, 0, 0];
    Object.assign(pool, {
      async query(...args: unknown[]) {
        asked++;
        most = Math.max(most, ++under);
        return query(...args).finally(() => under--);
      },
    });
    try {
      const flood = Array.from({ length: 3_000 }, (_, n) => auth.authenticate(`dop_v1_${n}`));
      const wrong = await Promise.allSettled([
        ...flood,
        ...flood.map(() => auth.authenticate('dop_v1_same')),
      ]);
      const reasons = wrong.map((each) => (each.status === 'rejected' ? String(each.reason.id) : 'good'));
      expect(new Set(reasons)).toEqual(new Set(['unauthorized', 'too_many_requests']));
      expect(asked).toBeLessThan(500);
      expect(most).toBe(2);
      // Those who were good before are known again, and no answer is from the flood's.
      expect((await auth.authenticate(token)).teamId).toBe(owner.teamId);
      expect(asked).toBeLessThan(502);
    } finally {
      Object.assign(pool, { query });
    }
    await auth.close();
  });

  it('ends with its time, also where it is remembered', async () => {
    const auth = await listening();
    const { token } = await create('short', { ttlMs: 1_000 });
    await auth.authenticate(token);
    await clock.advance(1_000);
    await expect(auth.authenticate(token)).rejects.toEqual(unauthorized);
    await auth.close();
  });

  it('ends at once when it is revoked, by its id or its name', async () => {
    const auth = await listening();
    for (const by of ['id', 'name'] as const) {
      const { id, token } = await create('ended');
      await auth.authenticate(token);
      expect(await revokeToken(database.store.db, owner.teamId, { id, name: 'ended' }[by], clock)).toBe(id);
      // Time stands still: it is the news that ends it.
      await expect.poll(() => auth.remembers(token)).toBe(false);
      await expect(auth.authenticate(token)).rejects.toEqual(unauthorized);
    }
    await auth.close();
  });

  it('is not revoked by a name that several have, or none', async () => {
    await create('twin');
    await create('twin');
    const { db } = database.store;
    await expect(revokeToken(db, owner.teamId, 'twin', clock)).rejects.toThrow('2 tokens are called twin');
    await expect(revokeToken(db, owner.teamId, 'nobody', clock)).rejects.toThrow('There is no token nobody.');
  });

  it('is not trusted while nobody can be heard', async () => {
    const auth = await listening();
    const { token } = await create('deaf');
    await auth.authenticate(token);
    await database.store.pool.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query = 'listen atoll_token'",
    );
    await expect.poll(() => auth.remembers(token)).toBe(false);
    await auth.authenticate(token);
    expect(auth.remembers(token)).toBe(false);
    await clock.advance(1_000);
    await expect
      .poll(async () => {
        await auth.authenticate(token);
        return auth.remembers(token);
      })
      .toBe(true);
    await auth.close();
  });

  it('has its use recorded, once a minute', async () => {
    const auth = await listening();
    const { id, token } = await create('used');
    const lastUsed = async () =>
      (await listTokens(database.store.db, owner.teamId, clock)).find((known) => known.id === id)?.lastUsedAt;
    const first = clock.now();
    await auth.authenticate(token);
    await expect.poll(lastUsed).toEqual(first);
    await clock.advance(10_000);
    await auth.authenticate(token);
    await clock.advance(60_000);
    await auth.authenticate(token);
    await auth.close();
    expect(await lastUsed()).toEqual(clock.now());
  });
});

const serve = (mode: 'real' | 'simulated') => {
  const session = sessionOf();
  const auth = authenticator({ store: database.store, clock, log: silent, listen: on(session) });
  const app = buildServer({
    operations: cloudOperations({
      store: database.store,
      secrets: noSecrets,
      clock,
      mode,
      context: simulatedContext,
    }),
    knownOperations: [],
    authenticate: auth.authenticate,
    rateLimit: rateLimit({ perHour: 100, perMinute: 100, clock }),
    log: silent,
    ready: () => true,
    validateResponses: true,
  });
  app.addHook('onClose', () => auth.close());
  return {
    app,
    get: (url: string) => app.inject({ url, headers: { authorization: `Bearer ${firstToken}` } }),
  };
};

describe('over HTTP', () => {
  it.each([
    ['simulated', 'Atoll (simulated)'],
    ['real', 'Atoll'],
  ] as const)('the account tells that it is %s', async (mode, team) => {
    const { app, get } = serve(mode);
    const answer = await get('/v2/account');
    expect(answer.statusCode).toBe(200);
    const { account } = answer.json();
    expect(account).toMatchObject({ status: 'active', droplet_limit: 10_000, team: { name: team } });
    expect(account.status_message.toLowerCase()).toContain(mode);
    expect((await app.inject({ url: '/v2/account' })).statusCode).toBe(401);
    await app.close();
  });

  it('a token’s worth is told, as doctl auth init asks for it', async () => {
    const { app, get } = serve('real');
    const info = (await get('/v1/oauth/token/info')).json();
    expect(info).toMatchObject({ scopes: ['*'], expires_in_seconds: null, application: { uid: '' } });
    expect(Number.isSafeInteger(info.resource_owner_id)).toBe(true);
    await app.close();
  });
});
