/**
 * Room on hosts: who wants some asks for it in the transaction of the order, is placed, and has it reserved until nothing
 * of it is left on the host. Droplets, volumes and machines of products all do this.
 */
import { type RawBuilder, type Selectable, sql } from 'kysely';
import type { HostReservations } from '../../store/schema.ts';
import type { Queryable, Tx } from '../../store/store.ts';
import { type Demand, grown, type HostState, place, promise, type Wish, withdraw } from './placement.ts';
import { noRoom } from './refusal.ts';

/** What is asked for; what is left out is 0. */
export type Asked = Partial<Demand> & Pick<Demand, 'dedicated'>;

export const demand = (asked: Asked): Demand => ({
  vcpus: 0,
  memoryMib: 0,
  diskGib: 0,
  volumeGib: 0,
  ...asked,
});

/** Hosts among which may be placed until the transaction ends, with what is promised of them. */
export interface Room {
  /** The host for this, which has promised it from now on. @throws ApiError 422 with the figures */
  place(asked: Asked, wish?: Wish): number;
}

/**
 * SQL, for a statement that does more: the hosts that can be placed on until the transaction ends, at most `times` what is
 * asked; to be asked before anything is locked that others wait for. `alone`: nobody else places meanwhile, whatever comes
 * to be asked for. Where `condition` does not hold: nothing is held, and no host answered.
 */
export function holdingRoom(
  asked: Asked | 'alone',
  times = 1,
  condition: RawBuilder<boolean> = sql`true`,
): RawBuilder<HostState> {
  const alone = asked === 'alone';
  const { memoryMib, dedicated, diskGib, volumeGib } = demand(alone ? { dedicated: false } : asked);
  const memory = memoryMib * times;
  return sql`hold_room(${dedicated ? memory : 0}::bigint, ${dedicated ? 0 : memory}::bigint,
    ${diskGib * times}::bigint, ${volumeGib * times}::bigint, case when ${condition} then ${alone}::boolean end)`;
}

/** Room for what is asked, `times` over: see `holdingRoom`. */
export async function holdRoom(tx: Tx, asked: Asked | 'alone', times = 1): Promise<Room> {
  const { rows } = await sql<HostState>`select * from ${holdingRoom(asked, times)}`.execute(tx);
  return roomOn(rows);
}

/** As `holdRoom`, of rows that a larger statement has read of `holdingRoom`. */
export function roomOn(rows: readonly HostState[]): Room {
  const hosts = [...rows];
  return {
    place(asked, wish) {
      const placed = place(hosts, demand(asked), wish);
      if ('lacks' in placed) throw noRoom(placed.lacks);
      hosts.splice(hosts.indexOf(placed.host), 1, promise(placed.host, demand(asked)));
      return placed.host.id;
    },
  };
}

/** SQL, for a statement that does more: reserves on a host that `Room.place` has answered, once for each row of `from`. */
export function reserving(
  { urn, host, ...asked }: Asked & { urn: RawBuilder<string>; host: number },
  from: RawBuilder<unknown>,
): RawBuilder<unknown> {
  const { vcpus, memoryMib, dedicated, diskGib, volumeGib } = demand(asked);
  return sql`insert into host_reservations (urn, host_id, vcpus, dedicated_mib, shared_mib, disk_gib, volume_gib)
    select ${urn}, ${host}::integer, ${vcpus}::integer, ${dedicated ? memoryMib : 0}::bigint,
      ${dedicated ? 0 : memoryMib}::bigint, ${diskGib}::bigint, ${volumeGib}::bigint from ${from}`;
}

/**
 * Reserves for one thing and answers its host; to be called before anything is locked that others wait for.
 * @param what its URN, which has no reservation yet
 * @throws ApiError 422 with the figures
 */
export async function reserve(
  tx: Tx,
  { what, region, ...asked }: Asked & { what: string; region?: string },
): Promise<number> {
  const room = await holdRoom(tx, asked);
  const host = room.place(asked, { region });
  await sql`${reserving({ ...asked, urn: sql`${what}::text`, host }, sql`(select) as once`)}`.execute(tx);
  return host;
}

/**
 * Has a thing that changes reserve what it is to become besides what it is: of each resource the larger, until
 * `setReservation` says what it is. The caller has `holdRoom(tx, 'alone')` from before its first lock.
 * @throws ApiError 422 with the figures where it grows, and its host has not as much more
 */
export async function reserveMore(tx: Tx, what: string, asked: Asked): Promise<void> {
  const { rows } = await sql<HostState & { reserved: Reserved }>`
    select s.*, to_jsonb(r) as reserved
    from host_reservations r join host_states s on s.id = r.host_id where r.urn = ${what}`.execute(tx);
  const [row] = rows;
  if (!row) return;
  const { reserved, ...host } = row;
  const { growth, sum } = grown(demandOf(reserved), demand(asked), host.memory_ratio);
  roomOn([withdraw(host, demandOf(reserved))]).place(growth);
  await setReservation(tx, what, sum);
}

type Reserved = Pick<
  Selectable<HostReservations>,
  'vcpus' | 'dedicated_mib' | 'shared_mib' | 'disk_gib' | 'volume_gib'
>;

const demandOf = ({ vcpus, dedicated_mib, shared_mib, disk_gib, volume_gib }: Reserved): Demand => ({
  vcpus,
  memoryMib: dedicated_mib + shared_mib,
  dedicated: dedicated_mib > 0,
  diskGib: disk_gib,
  volumeGib: volume_gib,
});

/** Writes down what a thing takes by now, where it can only be less, or is so already. */
export async function setReservation(db: Queryable, what: string, asked: Asked): Promise<void> {
  const { vcpus, memoryMib, dedicated, diskGib, volumeGib } = demand(asked);
  await db
    .updateTable('host_reservations')
    .set({
      vcpus,
      dedicated_mib: dedicated ? memoryMib : 0,
      shared_mib: dedicated ? 0 : memoryMib,
      disk_gib: diskGib,
      volume_gib: volumeGib,
    })
    .where('urn', '=', what)
    .execute();
}

/** Gives back what a thing has reserved, once nothing of it is left on its host; one that has nothing is fine. */
export async function release(db: Queryable, what: string): Promise<void> {
  await db.deleteFrom('host_reservations').where('urn', '=', what).execute();
}

/** The host of a thing, by its URN; undefined: it has none, or has it no more. */
export async function hostOf(db: Queryable, what: string): Promise<number | undefined> {
  const row = await db
    .selectFrom('host_reservations')
    .select('host_id')
    .where('urn', '=', what)
    .executeTakeFirst();
  return row?.host_id;
}
