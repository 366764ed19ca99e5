import { systemClock } from '../base/clock.ts';
import { createToken, firstTeam, listTokens, revokeToken, type Token } from '../cloud/account/index.ts';
import { readConfig } from '../config.ts';
import { commandFor, defineCommand, usageError } from './command.ts';
import { withStore } from './database.ts';

const unitMs: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "30d" in ms. */
export function parseTtl(text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * (unitMs[unit] ?? Number.NaN);
  if (!(ms > 0)) throw usageError(`--ttl ${text}: a number and a unit are needed, as in 30d, 12h, 90m, 45s`);
  return ms;
}

const day = (date: Date | null) => date?.toISOString().slice(0, 16).replace('T', ' ');

function formatTokens(tokens: Token[]): string {
  const lines = tokens.map(({ id, name, scopes, expiresAt, lastUsedAt }) => {
    const expiry = expiresAt ? `expires ${day(expiresAt)}` : 'does not expire';
    return `${id}  ${name}  ${expiry}, last used ${day(lastUsedAt) ?? 'never'}\n    ${scopes.join(',')}`;
  });
  return lines.join('\n') || 'No tokens.';
}

export default defineCommand({
  help: `
Usage: atoll token create --name NAME [--scopes A,B] [--ttl 30d]
       atoll token list [--json]
       atoll token revoke ID|NAME

API tokens of this Atoll. A new token is printed once and cannot be read again.
  --name NAME          what it is for
  --scopes A,B         such as droplet:read,ssh_key:read; without, everything
  --ttl TIME           how long it is good (s, m, h, d); without, for ever
`,
  options: {
    name: { type: 'string' },
    scopes: { type: 'string' },
    ttl: { type: 'string' },
    json: { type: 'boolean' },
  },
  maxPositionals: 2,
  async run({ home, values, positionals: [verb = '', id] }) {
    const config = readConfig(home);
    if (id !== undefined && verb !== 'revoke') throw usageError(`unexpected argument: ${id}`);
    await withStore(home, config, async ({ db }) => {
      const team = await firstTeam(db);
      if (!team) throw new Error(`This Atoll has no account yet: run ${commandFor(home, 'up')} first.`);
      switch (verb) {
        case 'create': {
          if (!values.name) throw usageError('token create needs --name NAME');
          const ttl = values.ttl === undefined ? {} : { ttlMs: parseTtl(values.ttl) };
          const wanted = { ...team, ...ttl, name: values.name, scopes: values.scopes?.split(',') ?? ['*'] };
          return console.log((await createToken(db, wanted, systemClock)).token);
        }
        case 'list': {
          const tokens = await listTokens(db, team.teamId, systemClock);
          return console.log(values.json ? JSON.stringify(tokens, undefined, 2) : formatTokens(tokens));
        }
        case 'revoke':
          if (!id) throw usageError('token revoke needs the ID or name that "atoll token list" shows');
          return console.log(`Revoked ${await revokeToken(db, team.teamId, id, systemClock)}.`);
        default:
          throw usageError('token: create, list or revoke is needed');
      }
    });
  },
});
