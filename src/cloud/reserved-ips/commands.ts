/** Commands on reserved addresses: each changes what is wanted; the loop puts it in force on the host. */

import type { Caller } from '../../base/caller.ts';
import type { Clock } from '../../base/clock.ts';
import { type Action, beginAction, endAction } from '../../control/actions.ts';
import { type Asked, type Change, type Command, command } from '../../control/command.ts';
import { invalid, quoted, unprocessable } from '../../http/errors.ts';
import { Overtaken, type Store, type Tx } from '../../store/store.ts';
import { reservedIpKind, reservedIpUrn } from '../addresses/index.ts';
import { dropletChanged, holdDroplets, type LockedDroplet, lockable } from '../droplet-state/index.ts';
import type { Product } from './product.ts';
import { findReservedIp, type ReservedIpRow } from './row.ts';

export interface CommandDeps {
  store: Store;
  clock: Clock;
}

/** Gives an address to a droplet, also if another has it. @throws ApiError 404, 422 */
export function assign(
  deps: CommandDeps,
  request: Asked,
  product: Product,
  ip: string,
  dropletId: number,
): Promise<Action> {
  return command(deps, request, `${product.operations}_assign`, async (assigning) => {
    const { tx } = assigning;
    const row = await lockIdle(tx, request.caller, product, ip, dropletId);
    const droplet = await lockTarget(tx, request.caller, product, dropletId, row.ip);
    if (droplet.region !== row.region) {
      throw invalid(
        'droplet_id',
        `names a Droplet in ${droplet.region}, but the ${product.name} is in ${row.region}.`,
      );
    }
    return setTarget(assigning, product, row, droplet.id);
  });
}

/** Takes an address off its droplet; the team keeps it. @throws ApiError 404, 422 */
export function unassign(deps: CommandDeps, request: Asked, product: Product, ip: string): Promise<Action> {
  return command(deps, request, `${product.operations}_unassign`, async (unassigning) => {
    const row = await lockIdle(unassigning.tx, request.caller, product, ip);
    // Terraform takes just this status for "there is nothing to unassign".
    if (row.droplet_id === null) throw unprocessable(`The ${product.name} is not assigned to a Droplet.`);
    return setTarget(unassigning, product, row, null);
  });
}

/**
 * Gives an address back, whatever is pending. An IPv4 address may be assigned; an IPv6 address that is assigned is
 * refused as on DigitalOcean, whose clients unassign first.
 * @throws ApiError 404, 422
 */
export function release(deps: CommandDeps, request: Asked, product: Product, ip: string): Promise<void> {
  return command(deps, request, `${product.operations}_delete`, async ({ tx, at, changed }) => {
    const seen = await findReservedIp(tx, askedFor(request.caller, product, ip));
    const row = await lockSeen(tx, request.caller, product, seen);
    if (product.family === 6 && row.droplet_id !== null)
      throw unprocessable(
        `flipv6 released failed: assigned FLIP cannot be released. Unassign ${row.ip} from its Droplet first.`,
      );
    if (row.pending_action_id !== null) {
      const message = `The ${product.name} was released before this was done.`;
      await endAction(tx, row.pending_action_id, { status: 'errored', at, message });
    }
    await tx
      .updateTable('reserved_ips')
      .set({ deleted_at: at, droplet_id: null, pending_action_id: null })
      .where('ip', '=', row.ip)
      .execute();
    changed(addressChange(row.ip, 'deleted'));
    if (row.droplet_id !== null) changed(dropletChanged(row.droplet_id));
  });
}

/** Writes down the droplet that an address is to lead to, with the action, as a part of a command. */
export async function setTarget(
  { tx, caller, at, changed }: Command,
  product: Product,
  row: ReservedIpRow,
  dropletId: number | null,
  change: Change['change'] = 'changed',
): Promise<Action> {
  const action = await beginAction(tx, {
    caller,
    type: dropletId === null ? 'unassign_ip' : 'assign_ip',
    resourceType: product.resourceType,
    resourceId: String(row.number),
    region: row.region,
    at,
  });
  await tx
    .updateTable('reserved_ips')
    .set({ droplet_id: dropletId, pending_action_id: action.id })
    .where('ip', '=', row.ip)
    .execute();
  changed({ ...addressChange(row.ip, change), action: action.id });
  // Their metadata tells of it.
  for (const droplet of new Set([row.droplet_id, dropletId])) {
    if (droplet !== null) changed(dropletChanged(droplet));
  }
  return action;
}

const askedFor = ({ teamId }: Caller, { family }: Product, ip: string) => ({ teamId, family, ip });

/** The address, locked together with the droplet that has it and the one that is to have it (`dropletId`). */
async function lockIdle(
  tx: Tx,
  caller: Caller,
  product: Product,
  ip: string,
  dropletId: number | null = null,
): Promise<ReservedIpRow> {
  const seen = await findReservedIp(tx, askedFor(caller, product, ip));
  checkIdle(seen, product);
  return lockSeen(tx, caller, product, seen, dropletId, checkIdle);
}

function checkIdle({ pending_action_id }: ReservedIpRow, product: Product): void {
  // Word for word: clients wait where they read it.
  if (pending_action_id !== null) throw unprocessable(`The ${product.name} already has a pending event.`);
}

/**
 * Locks the droplets first and then the address, as the deletion of a droplet does: two that went the other way round
 * would wait for each other until the database ends one of them.
 */
async function lockSeen(
  tx: Tx,
  caller: Caller,
  product: Product,
  seen: ReservedIpRow,
  dropletId: number | null = null,
  check: (row: ReservedIpRow, product: Product) => void = () => {},
): Promise<ReservedIpRow> {
  await holdDroplets(tx, caller, [seen.droplet_id, dropletId]);
  const row = await findReservedIp(tx, askedFor(caller, product, seen.ip), { lock: true });
  check(row, product);
  // Another droplet has it by now, which is not locked.
  if (row.droplet_id !== null && row.droplet_id !== seen.droplet_id) throw new Overtaken();
  return row;
}

/**
 * The droplet that is to get an address (`ip`, where there is one already), kept from being deleted meanwhile.
 * @throws ApiError 422 where it is none of the team's, or cannot have the address
 */
export async function lockTarget(
  tx: Tx,
  caller: Caller,
  product: Product,
  dropletId: number,
  ip?: string,
): Promise<LockedDroplet> {
  const droplet = await lockable(tx, caller).where('id', '=', dropletId).executeTakeFirst();
  if (!droplet) {
    throw invalid('droplet_id', `${quoted(String(dropletId))} is not one of your Droplets.`);
  }
  if (product.family === 6 && droplet.public_ipv6 === null) {
    throw invalid('droplet_id', 'names a Droplet without IPv6. Enable it by the enable_ipv6 action first.');
  }
  const others = await tx
    .selectFrom('reserved_ips')
    .select('ip')
    .where('droplet_id', '=', dropletId)
    .execute();
  const other = others.find((each) => each.ip.includes(':') === (product.family === 6) && each.ip !== ip);
  if (other) {
    throw unprocessable(
      `The Droplet already has a ${product.name}, ${other.ip}. Unassign that first: a Droplet has one at most.`,
    );
  }
  return droplet;
}

export const addressChange = (ip: string, change: Change['change']): Change => ({
  urn: reservedIpUrn(ip),
  change,
  wake: [reservedIpKind, ip],
});
