/** What a product asks of its machines, in the transactions of its own commands and runs. The loop does it. */
import { sql } from 'kysely';
import { wake } from '../../control/reconcile.ts';
import type { GuestFile, MachineSize } from '../../engine/compute/port.ts';
import type { Store, Tx } from '../../store/store.ts';
import { pairedIpv6, publicPool, takeAddress, vpcPool } from '../addresses/index.ts';
import type { CloudContext } from '../context.ts';
import { needGolden } from '../golden/index.ts';
import { holdRoom, reserve, reserveMore } from '../hosts/index.ts';
import { findVpc } from '../vpcs/index.ts';
import { type MachineRow, machineKind, machineRow, machineUrn, roomFor } from './row.ts';
import { type SealedParts, sealDesired, sealFiles } from './sealed.ts';

export interface MachineDeps extends SealedParts {
  store: Store;
  context: CloudContext;
}

export interface MachineOrder {
  teamId: string;
  /** Whose it is: its URN, and what the loop calls it, which is nudged by what is seen of the machine. */
  owner: { urn: string; kind: string; id: string };
  /** Among those of its owner: `node-1`. */
  name: string;
  role: string;
  /** The golden image of the role. */
  image: string;
  region: string;
  size: MachineSize;
  /** The VPC that it is in, if in one. */
  vpcId?: string;
  /** On the public network: with an IPv4 address, or both. */
  public?: 'ipv4' | 'dual' | undefined;
  /** There from its first start. */
  files?: readonly GuestFile[];
  /** What its program is told once it runs. */
  desired: object;
  /** Whether it is started again when it stops by itself; absent: always, with growing pauses. */
  restart?: 'always' | 'never';
  at: Date;
}

/**
 * Orders a machine. To be called before the transaction locks anything that others wait for.
 * @throws ApiError 422 where no host has room, or no address is free
 */
export async function orderMachine(tx: Tx, deps: MachineDeps, order: MachineOrder): Promise<MachineRow> {
  const { owner, name, size, at } = order;
  const id = await nextId(tx);
  // First: whoever waits for room holds nothing that others wait for.
  await reserve(tx, { what: machineUrn(id), region: order.region, ...roomFor(size) });
  await tx
    .insertInto('machines')
    .values({
      id,
      owner: owner.urn,
      name,
      team_id: order.teamId,
      owner_kind: owner.kind,
      owner_id: owner.id,
      role: order.role,
      region: order.region,
      vpc_id: order.vpcId ?? null,
      vcpus: size.vcpus,
      memory_mib: size.memoryMib,
      disk_gib: size.diskGib,
      files: order.files?.length ? sealFiles(deps, { id }, order.files) : null,
      desired: sealDesired(deps, { id }, order.desired),
      generation: 1,
      restart: order.restart ?? 'always',
      created_at: at,
      ...(await addressesFor(tx, deps, order, id)),
    })
    .execute();
  await needGolden(tx, order.image, at);
  await wakeMachine(tx, id, at);
  return existing(tx, id);
}

async function nextId(tx: Tx): Promise<number> {
  const { rows } = await sql<{ id: number }>`select nextval('machines_id_seq') as id`.execute(tx);
  return rows[0]?.id ?? 0;
}

type Addresses = Partial<Record<'public_ipv4' | 'public_ipv6' | 'private_ipv4', string>>;

async function addressesFor(
  tx: Tx,
  { store, context }: MachineDeps,
  { teamId, vpcId, public: outside }: MachineOrder,
  id: number,
): Promise<Addresses> {
  const taken: Addresses = {};
  const owner = machineUrn(id);
  if (outside) {
    const { ipv4, ipv6 } = context.network;
    taken.public_ipv4 = await takeAddress(tx, store, { pool: publicPool, range: ipv4, owner });
    if (outside === 'dual') taken.public_ipv6 = pairedIpv6(taken.public_ipv4, ipv4, ipv6);
  }
  if (vpcId !== undefined) {
    const vpc = await findVpc(tx, teamId, vpcId);
    if (!vpc) throw new Error(`machine ${id} is ordered for the VPC ${vpcId}, which its team does not have`);
    taken.private_ipv4 = await takeAddress(tx, store, { pool: vpcPool(vpc.id), range: vpc.ip_range, owner });
  }
  return taken;
}

/** Changes what its program is told; answers the generation that it is done with. */
export async function desire(
  tx: Tx,
  deps: SealedParts,
  id: number,
  desired: object,
  at: Date,
): Promise<number> {
  const row = await locked(tx, id);
  const generation = row.generation + 1;
  await tx
    .updateTable('machines')
    .set({ desired: sealDesired(deps, row, desired), generation })
    .where('id', '=', id)
    .execute();
  await wakeMachine(tx, id, at);
  return generation;
}

/** Turns it on or off, by an orderly shutdown. */
export async function setPower(tx: Tx, id: number, power: 'on' | 'off', at: Date): Promise<void> {
  const row = await locked(tx, id);
  if (row.power === power) return;
  // Turning it on is another boot, in which its program is run again.
  const boot = power === 'on' ? row.boot + 1 : row.boot;
  await tx.updateTable('machines').set({ power, boot }).where('id', '=', id).execute();
  await wakeMachine(tx, id, at);
}

/** Shuts it down in an orderly way and starts it again. */
export async function restartMachine(tx: Tx, id: number, at: Date): Promise<void> {
  const row = await locked(tx, id);
  await tx
    .updateTable('machines')
    .set({ boot: row.boot + 1, restarts: 0 })
    .where('id', '=', id)
    .execute();
  await wakeMachine(tx, id, at);
}

/**
 * Changes CPUs and memory, and grows the disk, while it runs. To be called before the transaction locks anything that
 * others wait for.
 * @throws ApiError 422 where its host has no room
 */
export async function resizeMachine(tx: Tx, id: number, size: MachineSize, at: Date): Promise<void> {
  await holdRoom(tx, 'alone');
  const row = await locked(tx, id);
  const diskGib = Math.max(row.disk_gib, size.diskGib);
  await reserveMore(tx, machineUrn(id), roomFor({ ...size, diskGib }));
  await tx
    .updateTable('machines')
    .set({ vcpus: size.vcpus, memory_mib: size.memoryMib, disk_gib: diskGib })
    .where('id', '=', id)
    .execute();
  await wakeMachine(tx, id, at);
}

/** One that could not be made is tried again. */
export async function retryMachine(tx: Tx, id: number, at: Date): Promise<void> {
  await tx
    .updateTable('machines')
    .set({ status: 'new', reason: null })
    .where('id', '=', id)
    .where('status', '=', 'failed')
    .execute();
  await wakeMachine(tx, id, at);
}

/** Removes it, with all that is on its disk. Its addresses are free when nothing is left of it. */
export async function removeMachine(tx: Tx, id: number, at: Date): Promise<void> {
  await tx
    .updateTable('machines')
    .set({ deleted_at: at })
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .execute();
  await wakeMachine(tx, id, at);
}

const wakeMachine = (tx: Tx, id: number, at: Date): Promise<void> => wake(tx, machineKind, String(id), at);

async function existing(tx: Tx, id: number): Promise<MachineRow> {
  const row = await machineRow(tx, id);
  if (!row) throw new Error(`there is no machine ${id}`);
  return row;
}

/** Of two changes at once, the later one knows of the earlier. */
async function locked(tx: Tx, id: number): Promise<MachineRow> {
  await tx.selectFrom('machines').select('id').where('id', '=', id).forUpdate().execute();
  return existing(tx, id);
}
