import type { Clock } from '../../base/clock.ts';
import { type Asked, command } from '../../control/command.ts';
import { invalid, notFound, unprocessable } from '../../http/errors.ts';
import type { Store } from '../../store/store.ts';
import { parsePublicKey } from './public-key.ts';
import { isKey, type SshKey } from './queries.ts';

export interface KeysDeps {
  store: Store;
  clock: Clock;
}

const urnOf = (key: { id: number }) => `do:sshkey:${key.id}`;

/**
 * Adds a key to the account.
 * @throws ApiError 422 where it is no public key, or is in the account already
 */
export async function createKey(
  deps: KeysDeps,
  request: Asked,
  given: { name: string; public_key: string },
): Promise<SshKey> {
  const parsed = parsePublicKey(given.public_key);
  if (!parsed) {
    throw invalid(
      'public_key',
      'is not an SSH public key: it should be of the format `type key [comment]`, such as a file ~/.ssh/*.pub has.',
    );
  }
  return command(deps, request, 'sshKeys_create', async ({ tx, at, changed }) => {
    const key = await tx
      .insertInto('ssh_keys')
      .values({
        team_id: request.caller.teamId,
        name: given.name,
        public_key: parsed.line,
        fingerprint: parsed.fingerprint,
        created_at: at,
      })
      .onConflict((conflict) => conflict.columns(['team_id', 'fingerprint']).doNothing())
      .returningAll()
      .executeTakeFirst();
    if (!key) throw unprocessable('SSH Key is already in use on your account');
    changed({ urn: urnOf(key), change: 'created' });
    return key;
  });
}

/** Renames a key. @throws ApiError 404 */
export function renameKey(deps: KeysDeps, request: Asked, identifier: string, name: string): Promise<SshKey> {
  return command(deps, request, 'sshKeys_update', async ({ tx, changed }) => {
    const key = await tx
      .updateTable('ssh_keys')
      .set({ name })
      .where(isKey(request.caller.teamId, identifier))
      .returningAll()
      .executeTakeFirst();
    if (!key) throw notFound();
    changed({ urn: urnOf(key), change: 'changed' });
    return key;
  });
}

/** Takes a key from the account; droplets that have it keep it. @throws ApiError 404 */
export function deleteKey(deps: KeysDeps, request: Asked, identifier: string): Promise<void> {
  return command(deps, request, 'sshKeys_delete', async ({ tx, changed }) => {
    const key = await tx
      .deleteFrom('ssh_keys')
      .where(isKey(request.caller.teamId, identifier))
      .returning('id')
      .executeTakeFirst();
    if (!key) throw notFound();
    changed({ urn: urnOf(key), change: 'deleted' });
  });
}
