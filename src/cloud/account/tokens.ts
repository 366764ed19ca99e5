import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { Clock } from '../../base/clock.ts';
import { tokenChannel, tokenHash } from '../../http/auth.ts';
import { conflict, invalid, notFound } from '../../http/errors.ts';
import { knownScopes, readKnownOperations } from '../../http/known-operations.ts';
import type { Queryable } from '../../store/store.ts';

export interface NewToken {
  teamId: string;
  userId: string;
  /** For people, to tell tokens apart. */
  name: string;
  /** `*` for all, or the scopes of the published API, such as `droplet:read`. */
  scopes: readonly string[];
  /** How long it is valid; absent: until it is revoked. */
  ttlMs?: number;
}

export interface Token {
  id: string;
  name: string;
  scopes: string[];
  createdAt: Date;
  expiresAt: Date | null;
  lastUsedAt: Date | null;
}

/**
 * Makes a token. The answer holds the token itself, which is nowhere to be had again: only its hash is stored.
 * Throws the ApiError `unprocessable_entity` where the name is empty or too long or a scope is not known.
 */
export async function createToken(
  db: Queryable,
  { teamId, userId, name, scopes, ttlMs }: NewToken,
  clock: Clock,
): Promise<{ id: string; token: string }> {
  if (name.trim() === '' || name.length > 255) throw invalid('name', 'must have 1 to 255 characters.');
  checkScopes(scopes);
  const token = `dop_v1_${randomBytes(32).toString('hex')}`;
  const now = clock.now();
  const { id } = await db
    .insertInto('tokens')
    .values({
      team_id: teamId,
      user_id: userId,
      name,
      hash: tokenHash(token),
      scopes: [...scopes],
      created_at: now,
      expires_at: ttlMs === undefined ? null : new Date(now.getTime() + ttlMs),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return { id, token };
}

function checkScopes(scopes: readonly string[]): void {
  if (scopes.length === 0) throw invalid('scopes', 'must name at least one scope, or * for all.');
  const known = knownScopes(readKnownOperations());
  const unknown = scopes.filter((scope) => scope !== '*' && !known.has(scope));
  if (unknown.length > 0) {
    throw invalid(
      'scopes',
      `has what is no scope: ${unknown.join(', ')}. Scopes are such as droplet:read, or * for all.`,
    );
  }
}

/** The tokens of a team that are still good, oldest first. */
export async function listTokens(db: Queryable, teamId: string, clock: Clock): Promise<Token[]> {
  const rows = await good(db, teamId, clock.now())
    .select(['id', 'name', 'scopes', 'created_at', 'expires_at', 'last_used_at'])
    .orderBy('created_at')
    .orderBy('id')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    scopes: row.scopes,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
  }));
}

/**
 * Ends a token, named by its id or its name; every process forgets it when the transaction commits. Answers its
 * id. Throws the ApiError `not_found` where there is none, `conflict` where several have that name.
 */
export async function revokeToken(
  db: Queryable,
  teamId: string,
  idOrName: string,
  clock: Clock,
): Promise<string> {
  const found = await good(db, teamId, clock.now())
    .select('id')
    .where((is) => is.or([is('name', '=', idOrName), is(sql`id::text`, '=', idOrName)]))
    .execute();
  const [token] = found;
  if (!token) throw notFound(`There is no token ${idOrName}.`);
  if (found.length > 1) throw conflict(`${found.length} tokens are called ${idOrName}: give the id of one.`);
  await db.updateTable('tokens').set({ revoked_at: clock.now() }).where('id', '=', token.id).execute();
  await sql`select pg_notify(${tokenChannel}, ${token.id})`.execute(db);
  return token.id;
}

/** Whether a person may do in a team what needs a scope: their tokens of the team say so. */
export async function mayInTeam(
  db: Queryable,
  { userId, teamId, scope, at }: { userId: string; teamId: string; scope: string; at: Date },
): Promise<boolean> {
  const token = await good(db, teamId, at)
    .select('id')
    .where('user_id', '=', userId)
    .where(sql<boolean>`scopes && array['*', ${scope}]`)
    .executeTakeFirst();
  return token !== undefined;
}

const good = (db: Queryable, teamId: string, at: Date) =>
  db
    .selectFrom('tokens')
    .where('team_id', '=', teamId)
    .where('revoked_at', 'is', null)
    .where((is) => is.or([is('expires_at', 'is', null), is('expires_at', '>', at)]));
