/** Reserving an address: to a droplet, which gets it, or to a region. */
import type { Action } from '../../control/actions.ts';
import { type Asked, command } from '../../control/command.ts';
import { invalid, unprocessable } from '../../http/errors.ts';
import { countRows } from '../../store/page.ts';
import type { Tx } from '../../store/store.ts';
import { teamLimit } from '../account/index.ts';
import { takeReserved } from '../addresses/index.ts';
import type { ReservedNetwork } from '../context.ts';
import { checkRegion } from '../regions/index.ts';
import { addressChange, type CommandDeps, lockTarget, setTarget } from './commands.ts';
import type { Product } from './product.ts';
import { type ReservedIpRow, selectReservedIps } from './row.ts';

export interface ReserveDeps extends CommandDeps {
  /** Absent in a home that was made before there were reserved addresses. */
  reservedNetwork: ReservedNetwork | undefined;
}

/** A new address, and the action that assigns it where a droplet was named. */
export interface Reserved {
  row: ReservedIpRow;
  action?: Action;
}

/**
 * Reserves an address to a droplet, which gets it, or to a region.
 * @throws ApiError 422 where the account's limit is reached, no address is free, or a field is wrong
 */
export function reserve(
  deps: ReserveDeps,
  request: Asked,
  product: Product,
  wish: { dropletId?: number | undefined; region?: string | undefined },
): Promise<Reserved> {
  const network = deps.reservedNetwork;
  if (!network)
    throw unprocessable('This Atoll has no range of reserved addresses yet: run ./atoll up again.');
  const region = wish.dropletId === undefined ? regionOf(product, wish.region) : undefined;
  return command(deps, request, `${product.operations}_create`, async (reserving) => {
    const { tx, at, caller, changed } = reserving;
    const droplet =
      wish.dropletId === undefined ? undefined : await lockTarget(tx, caller, product, wish.dropletId);
    const ip = await takeReserved(tx, product.family, network);
    // After the pool is locked: two requests at once cannot both be the last.
    await checkLimit(tx, caller.teamId, product);
    const row = await tx
      .insertInto('reserved_ips')
      .values({
        ip,
        team_id: caller.teamId,
        region: droplet?.region ?? region ?? '',
        created_at: at,
      })
      .returningAll()
      .executeTakeFirstOrThrow();
    if (!droplet) {
      changed(addressChange(ip, 'created'));
      return { row };
    }
    const action = await setTarget(reserving, product, row, droplet.id, 'created');
    return { row: { ...row, droplet_id: droplet.id, pending_action_id: action.id }, action };
  });
}

async function checkLimit(tx: Tx, teamId: string, product: Product): Promise<void> {
  const held = await countRows(selectReservedIps(tx, teamId, product.family));
  if (held >= (await teamLimit(tx, teamId, 'reserved_ip_limit'))) {
    throw unprocessable(
      `creating this ${product.name} will exceed your ${product.name.toLowerCase()} limit. Release one first.`,
    );
  }
}

function regionOf(product: Product, given: string | undefined): string {
  const { regionField } = product;
  if (!given) {
    throw invalid(
      regionField,
      product.family === 4
        ? 'or droplet_id is needed: an address is reserved to one of them.'
        : 'is needed: a reserved IPv6 is reserved to a region.',
    );
  }
  return checkRegion(regionField, given).slug;
}
