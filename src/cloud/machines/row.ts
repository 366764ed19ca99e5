/** A machine that serves a product, as the database has it. */
import type { Selectable } from 'kysely';
import type { MachineSize } from '../../engine/compute/port.ts';
import type { Machines } from '../../store/schema.ts';
import type { Queryable } from '../../store/store.ts';
import { type Named, nameInEngine } from '../engine-name.ts';
import { vpcRangeOf } from '../vpcs/index.ts';

/** What the loop calls machines. */
export const machineKind = 'machine';

export const machineUrn = (id: number): string => `do:machine:${id}`;

/** The id of the machine that an URN names; undefined where it names something else. */
export function machineIdOf(urn: string): number | undefined {
  const id = /^do:machine:(\d{1,9})$/.exec(urn)?.[1];
  return id === undefined ? undefined : Number(id);
}

export type MachineRow = Selectable<Machines> & {
  /** The range of its VPC, where it is in one. */
  vpc_range: string | null;
};

/** What it is called in the engine. */
export const machineName = (row: Named): string => nameInEngine('machine', row);

export const machineSize = ({ vcpus, memory_mib, disk_gib }: MachineRow): MachineSize => ({
  vcpus,
  memoryMib: memory_mib,
  diskGib: disk_gib,
});

/** What it takes of its host: its memory is there for it alone. */
export const roomFor = ({ vcpus, memoryMib, diskGib }: MachineSize) => ({
  vcpus,
  memoryMib,
  diskGib,
  dedicated: true,
});

export const selectMachines = (db: Queryable) =>
  db.selectFrom('machines').selectAll('machines').select(vpcRangeOf('machines.vpc_id').as('vpc_range'));

export const machineRow = (db: Queryable, id: number): Promise<MachineRow | undefined> =>
  selectMachines(db).where('machines.id', '=', id).executeTakeFirst();
