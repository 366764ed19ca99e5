import { sql } from 'kysely';
import type { Belonging, Belongings } from '../product.ts';
import { release } from './commands.ts';
import { reservedIp } from './product.ts';

/** A droplet's reserved address, listed as reserved only, so that nothing is there twice. */
export const reservedBelongings: Belongings = {
  kinds: ['reserved_ips', 'floating_ips'],
  async of(db, dropletId) {
    const { rows } = await sql<Belonging>`
      select 'reserved_ips' as kind, host(ip) as id, host(ip) as name from reserved_ips
      where droplet_id = ${dropletId} and family(ip) = 4 and deleted_at is null`.execute(db);
    return rows;
  },
  destroy: (deps, request, { id }) => release(deps, request, reservedIp, id),
};
