import type { Caller } from '../../base/caller.ts';
import type { Clock } from '../../base/clock.ts';
import { notFound } from '../../http/errors.ts';
import { type Operation, operation } from '../../http/operation.ts';
import type { Store } from '../../store/store.ts';
import { AccountSchema, TokenInfoSchema } from './schema.ts';

export interface AccountDeps {
  store: Store;
  clock: Clock;
  /** Told to whoever asks, so that nobody takes simulated droplets for real ones. */
  mode: 'real' | 'simulated';
}

/** The account, and what a token is worth. */
export function accountOperations(deps: AccountDeps): Operation[] {
  return [
    operation({
      id: 'account_get',
      method: 'GET',
      path: '/v2/account',
      summary: 'Get the account, and the mode of this Atoll',
      scopes: ['account:read'],
      status: 200,
      response: AccountSchema,
      handler: ({ caller }) => account(deps, caller),
    }),
    operation({
      // Not in the published document: `doctl auth init --token-validation-server` asks it.
      id: 'oauth_token_info',
      method: 'GET',
      path: '/v1/oauth/token/info',
      summary: 'Tell what the token of this request is worth',
      scopes: [],
      status: 200,
      response: TokenInfoSchema,
      handler: ({ caller }) => tokenInfo(deps, caller),
    }),
  ];
}

async function account({ store, mode }: AccountDeps, { teamId, userId }: Caller) {
  const row = await store.db
    .selectFrom('users as u')
    .innerJoin('teams as t', 't.id', 'u.team_id')
    .where('u.id', '=', userId)
    .where('t.id', '=', teamId)
    .select([
      'u.email',
      'u.name',
      't.name as team',
      't.droplet_limit',
      't.volume_limit',
      't.reserved_ip_limit',
    ])
    .executeTakeFirst();
  if (!row) throw notFound();
  const simulated = mode === 'simulated';
  return {
    account: {
      droplet_limit: row.droplet_limit,
      floating_ip_limit: row.reserved_ip_limit,
      reserved_ip_limit: row.reserved_ip_limit,
      volume_limit: row.volume_limit,
      email: row.email,
      name: row.name,
      uuid: userId,
      email_verified: true,
      status: 'active',
      status_message: simulated
        ? 'Simulated mode: the API is real, the droplets are not.'
        : 'Real mode: droplets are machines on this Atoll’s hosts.',
      team: { uuid: teamId, name: simulated ? `${row.team} (simulated)` : row.team },
    },
  };
}

async function tokenInfo({ store, clock }: AccountDeps, { tokenId, userId, scopes }: Caller) {
  const token = await store.db
    .selectFrom('tokens')
    .where('id', '=', tokenId)
    .select(['created_at', 'expires_at'])
    .executeTakeFirst();
  if (!token) throw notFound();
  return {
    // Clients want a number: the first 48 bits of the user's UUID.
    resource_owner_id: Number.parseInt(userId.replaceAll('-', '').slice(0, 12), 16),
    scopes,
    expires_in_seconds: token.expires_at ? seconds(token.expires_at.getTime() - clock.now().getTime()) : null,
    application: { uid: '' },
    created_at: seconds(token.created_at.getTime()),
  };
}

const seconds = (ms: number) => Math.floor(ms / 1000);
