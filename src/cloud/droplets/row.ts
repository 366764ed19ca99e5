/** A droplet as the database has it, with what its view and its host entry need. */
import { type Selectable, sql } from 'kysely';
import type { MachineSize } from '../../engine/compute/port.ts';
import { anyOf } from '../../store/any-of.ts';
import type { Droplets } from '../../store/schema.ts';
import type { Queryable } from '../../store/store.ts';
import { reservedIpOf } from '../addresses/index.ts';
import { type Named, nameInEngine } from '../engine-name.ts';
import type { AskedOfHost } from '../hosts/index.ts';
import { type ImagesOfDroplet, imagesOf } from '../images/index.ts';
import { findSize } from '../sizes/index.ts';
import { tagsOf } from '../tags/index.ts';
import { volumeIdsOf } from '../volumes/index.ts';

export type DropletRow = Selectable<Droplets> &
  ImagesOfDroplet & {
    tags: string[];
    /** The range of its VPC. */
    vpc_range: string;
    volume_ids: string[];
    reserved_ipv4: string | null;
    reserved_ipv6: string | null;
  };

/** The rows of these droplets, whoever owns them, in ascending order of id; ids without a droplet are left out. */
export const dropletRows = (db: Queryable, ids: number[]): Promise<DropletRow[]> =>
  selectDroplets(db).where(anyOf('droplets.id', ids)).orderBy('droplets.id').execute();

/**
 * The row of one droplet, whoever owns it. PostgreSQL keeps its plan for one key; for a list, whose length changes what
 * is cheapest, it makes a plan each time, which takes several times as long as the query itself.
 */
export const dropletRow = (db: Queryable, id: number): Promise<DropletRow | undefined> =>
  selectDroplets(db).where('droplets.id', '=', id).executeTakeFirst();

function selectDroplets(db: Queryable) {
  return db
    .selectFrom('droplets')
    .innerJoin('vpcs', 'vpcs.id', 'droplets.vpc_id')
    .innerJoinLateral(imagesOf('droplets.id').as<'own_images'>(sql`own_images`), (join) => join.onTrue())
    .selectAll(['droplets', 'own_images'])
    .select('vpcs.ip_range as vpc_range')
    .select([
      tagsOf('droplet', 'droplets.id').as('tags'),
      volumeIdsOf('droplets.id').as('volume_ids'),
      reservedIpOf(4, 'droplets.id').as('reserved_ipv4'),
      reservedIpOf(6, 'droplets.id').as('reserved_ipv6'),
    ]);
}

/** What a droplet's machine is called, and what was kept of its console. */
export async function keptConsole(
  db: Queryable,
  id: number,
): Promise<{ machine: string; console: string | null } | undefined> {
  const row = await db
    .selectFrom('droplets')
    .select(['id', 'nonce', 'console'])
    .where('id', '=', id)
    .executeTakeFirst();
  return row && { machine: instanceName(row), console: row.console };
}

/** CPUs, memory and disk of a droplet. The disk stays what it was made with until a resize makes it larger. */
export function machineSize(row: Pick<DropletRow, 'id' | 'size' | 'disk_gib'>): MachineSize {
  const size = findSize(row.size);
  if (!size) throw new Error(`droplet ${row.id} has size ${row.size}, which the catalogue lacks`);
  return { vcpus: size.vcpus, memoryMib: size.memory, diskGib: row.disk_gib ?? size.disk };
}

/** What a droplet takes of its host; a running one as much as one that is off, and may be started. */
export function takenOfHost(row: Pick<DropletRow, 'id' | 'size' | 'disk_gib'>): AskedOfHost {
  return { ...machineSize(row), dedicated: findSize(row.size)?.dedicated ?? false };
}

/** The machine's name in the engine. */
export const instanceName = (row: Named): string => nameInEngine('droplet', row);
