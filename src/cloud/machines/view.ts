/** What the owner of machines, and the operator, see of them. */
import type { Queryable } from '../../store/store.ts';
import { type MachineRow, machineName, selectMachines } from './row.ts';

/** A machine as its owner sees it. */
export interface Machine {
  id: number;
  name: string;
  role: string;
  /** `lost`: its machine has gone from the engine behind everybody's back, with what was on its disk. */
  status: 'new' | 'active' | 'off' | 'failed' | 'lost';
  /** Why it is not as it should be, for a person. */
  reason: string | null;
  publicIpv4: string | null;
  publicIpv6: string | null;
  privateIpv4: string | null;
  /** What its program answered last; it has done all that is desired of it where the two are the same. */
  observed: unknown;
  appliedGeneration: number;
  generation: number;
  /** The golden image that it was made from: see `goldenDigest`. */
  imageDigest: string | null;
  isDeleted: boolean;
}

/** The machines of an owner that are there, or not yet gone, by their names. */
export async function machinesOf(db: Queryable, ownerUrn: string): Promise<Machine[]> {
  const rows = await selectMachines(db)
    .where('machines.owner', '=', ownerUrn)
    .where('machines.gone_at', 'is', null)
    .orderBy('machines.name')
    .execute();
  return rows.map(view);
}

function view(row: MachineRow): Machine {
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    status: row.status as Machine['status'],
    reason: row.reason,
    publicIpv4: row.public_ipv4,
    publicIpv6: row.public_ipv6,
    privateIpv4: row.private_ipv4,
    observed: row.observed,
    appliedGeneration: row.applied_generation,
    generation: row.generation,
    imageDigest: row.image_digest,
    isDeleted: row.deleted_at !== null,
  };
}

/** All machines of all teams that are there, for the operator. */
export async function listMachines(
  db: Queryable,
): Promise<(Machine & { owner: string; engineName: string })[]> {
  const rows = await selectMachines(db)
    .where('machines.gone_at', 'is', null)
    .orderBy('machines.id')
    .execute();
  return rows.map((row) => ({ ...view(row), owner: row.owner, engineName: machineName(row) }));
}

/** What a machine is called in the engine, and what was kept of its console. */
export async function keptMachineConsole(
  db: Queryable,
  id: number,
): Promise<{ machine: string; console: string | null } | undefined> {
  const row = await db
    .selectFrom('machines')
    .select(['id', 'nonce', 'console'])
    .where('id', '=', id)
    .executeTakeFirst();
  return row && { machine: machineName(row), console: row.console };
}
