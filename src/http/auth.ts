import { hash } from 'node:crypto';
import type { Logger } from 'pino';
import type { Caller } from '../base/caller.ts';
import type { Clock } from '../base/clock.ts';
import type { ChannelListener, Listening } from '../store/session.ts';
import type { Store } from '../store/store.ts';
import { ApiError } from './errors.ts';
import { strangers } from './strangers.ts';

/** The name under which a change of a token is told to all processes; the payload is the token's id. */
export const tokenChannel = 'atoll_token';

/**
 * Says who calls, by the value of the Authorization header: at once for a token seen lately, else as a promise.
 * Throws or rejects with the ApiError `unauthorized`, or `too_many_requests` where too many unknown tokens come, from
 * one address (`address`) or in all.
 */
export type Authenticate = (authorization: string | undefined, address: string) => Caller | Promise<Caller>;

export interface Authenticator {
  authenticate: Authenticate;
  /** Waits for the uses under way to be written and stops listening. */
  close(): Promise<void>;
}

/** How long a token is trusted without asking the database, should the news of its end be lost. */
const trustedMs = 5_000;
const maxTrusted = 1_000;
const useWrittenEveryMs = 60_000;

export interface AuthenticatorOptions {
  store: Store;
  clock: Clock;
  log: Pick<Logger, 'warn'>;
  /** Hears of `tokenChannel`. */
  listen(listener: ChannelListener): Listening;
}

interface Known {
  caller: Caller;
  trustedUntil: number;
}

interface TokenRow {
  id: string;
  team_id: string;
  user_id: string;
  scopes: string[];
  expires_at: Date | null;
}

const findToken = {
  name: 'token_by_hash',
  text: 'select id, team_id, user_id, scopes, expires_at from tokens where hash = $1 and revoked_at is null',
};

/** The SHA-256 under which a token is stored: 32 bytes. */
export function tokenHash(token: string): Buffer {
  return Buffer.from(hash('sha256', token, 'base64'), 'base64');
}

/**
 * Knows tokens by their hash in the store. What it has seen lately it trusts without asking again, as long as it
 * hears of revocations. Tokens that nobody has cost the database little: see strangers.ts.
 */
export function authenticator({ store, clock, log, listen }: AuthenticatorOptions): Authenticator {
  const known = new Map<string, Known>();
  // Rises with every notification, and when some may have been missed: what was read before that is not kept.
  let notifications = 0;
  const uses = useRecorder(store, log);
  const guard = strangers({ clock });
  const listening = listen({
    notified(tokenId) {
      notifications++;
      for (const [key, { caller }] of known) if (caller.tokenId === tokenId) known.delete(key);
    },
    disconnected() {
      notifications++;
      known.clear();
    },
  });

  const look = async (key: string): Promise<Caller | undefined> => {
    const before = notifications;
    const values = [Buffer.from(key, 'base64')];
    const { rows } = await store.pool.query<TokenRow>({ ...findToken, values });
    const row = rows[0];
    const now = clock.now().getTime();
    const expiresAt = row?.expires_at?.getTime() ?? Number.POSITIVE_INFINITY;
    if (!row || expiresAt <= now) return undefined;
    const caller = { teamId: row.team_id, userId: row.user_id, tokenId: row.id, scopes: row.scopes };
    if (listening.hears() && notifications === before) {
      known.set(key, { caller, trustedUntil: Math.min(now + trustedMs, expiresAt) });
      const [first] = known.keys();
      if (known.size > maxTrusted && first !== undefined) known.delete(first);
    }
    uses.note(row.id, now);
    return caller;
  };

  return {
    authenticate(authorization, address) {
      const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
      if (token === undefined) throw new ApiError('unauthorized');
      const key = hash('sha256', token, 'base64');
      const seen = known.get(key);
      if (seen && seen.trustedUntil > clock.now().getTime()) return seen.caller;
      known.delete(key);
      return guard.lookUp(key, address, () => look(key));
    },
    async close() {
      listening.stop();
      await uses.settled();
    },
  };
}

/** Writes at most once a minute that a token is in use; no request waits for it. */
function useRecorder(store: Store, log: Pick<Logger, 'warn'>) {
  const lastWritten = new Map<string, number>();
  const writing = new Set<Promise<void>>();
  const write = async (tokenId: string, now: number) => {
    try {
      await store.pool.query('update tokens set last_used_at = $2 where id = $1', [tokenId, new Date(now)]);
    } catch (error) {
      log.warn({ err: error, tokenId }, 'the use of a token was not recorded');
    }
  };
  return {
    note(tokenId: string, now: number): void {
      if (now - (lastWritten.get(tokenId) ?? Number.NEGATIVE_INFINITY) < useWrittenEveryMs) return;
      if (lastWritten.size >= maxTrusted) lastWritten.clear();
      lastWritten.set(tokenId, now);
      const written = write(tokenId, now).finally(() => writing.delete(written));
      writing.add(written);
    },
    settled: () => Promise.all(writing),
  };
}
