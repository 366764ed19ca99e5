import type { ExpressionBuilder, ExpressionWrapper, Selectable, SqlBool } from 'kysely';
import { unprocessable } from '../../http/errors.ts';
import type { DB, SshKeys } from '../../store/schema.ts';
import type { Queryable } from '../../store/store.ts';

export type SshKey = Selectable<SshKeys>;

/** A key by its id (also as digits) or its fingerprint. */
type Reference = { id: number } | { fingerprint: string };

function referenceOf(text: number | string): Reference | undefined {
  if (/^\d{1,15}$/.test(String(text))) return { id: Number(text) };
  return typeof text === 'string' && /^[0-9a-f]{2}(:[0-9a-f]{2}){15}$/i.test(text)
    ? { fingerprint: text.toLowerCase() }
    : undefined;
}

/** For the queries of `commands.ts`: which of the team's keys an identifier of a path means; it may mean none. */
export function isKey(teamId: string, identifier: string) {
  const reference = referenceOf(identifier);
  return (eb: ExpressionBuilder<DB, 'ssh_keys'>): ExpressionWrapper<DB, 'ssh_keys', SqlBool> =>
    eb.and([
      eb('team_id', '=', teamId),
      reference && 'fingerprint' in reference
        ? eb('fingerprint', '=', reference.fingerprint)
        : eb('id', '=', reference?.id ?? 0),
    ]);
}

/** The team's key with this id or fingerprint. */
export function findKey(db: Queryable, teamId: string, identifier: string): Promise<SshKey | undefined> {
  return db.selectFrom('ssh_keys').selectAll().where(isKey(teamId, identifier)).executeTakeFirst();
}

/**
 * The team's keys that an order names by id or fingerprint, in the order given, each once.
 * @throws ApiError 422 naming the entries of `ssh_keys` that are no key of the team
 */
export async function keysFor(
  db: Queryable,
  teamId: string,
  identifiers: readonly (number | string)[],
): Promise<SshKey[]> {
  if (identifiers.length === 0) return [];
  const references = identifiers.map(referenceOf);
  const ids = references.flatMap((reference) => (reference && 'id' in reference ? [reference.id] : []));
  const fingerprints = references.flatMap((reference) =>
    reference && 'fingerprint' in reference ? [reference.fingerprint] : [],
  );
  const rows = await db
    .selectFrom('ssh_keys')
    .selectAll()
    .where('team_id', '=', teamId)
    .where((eb) =>
      eb.or([
        eb('id', '=', (any) => any.fn.any(any.val(ids))),
        eb('fingerprint', '=', (any) => any.fn.any(any.val(fingerprints))),
      ]),
    )
    .execute();
  const byReference = new Map<number | string, SshKey>(
    rows.flatMap((row) => [[row.id, row] as const, [row.fingerprint, row] as const]),
  );
  const keys = references.map(
    (reference) => reference && byReference.get('id' in reference ? reference.id : reference.fingerprint),
  );
  const unknown = keys.flatMap((key, index) => (key ? [] : [index]));
  if (unknown.length > 0) {
    const values = unknown.map((index) => String(identifiers[index]).slice(0, 64)).slice(0, 10);
    const fields = unknown.map((index) => `ssh_keys[${index}]`).slice(0, 10);
    throw unprocessable(
      `${values.join(', ')} are invalid key identifiers for Droplet creation. ` +
        `(${fields.join(', ')}: give the id or the MD5 fingerprint of a key that GET /v2/account/keys lists.)`,
    );
  }
  return [...new Set(keys.filter((key) => key !== undefined))];
}
