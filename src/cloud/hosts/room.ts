/**
 * Room on hosts: who wants some asks for it in the transaction of the order, is placed, and has it reserved until nothing
 * of it is left on the host. Droplets, volumes and machines of products all do this.
 */
import { type Expression, type RawBuilder, type Selectable, type SqlBool, sql } from 'kysely';
import type { HostReservations } from '../../store/schema.ts';
import type { Queryable, Store, Tx } from '../../store/store.ts';
import { theHost } from './observe.ts';
import {
  type Demand,
  grown,
  type HostState,
  lacksNow,
  place,
  promise,
  type Wish,
  withdraw,
} from './placement.ts';
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
  let count = 0;
  return {
    place(asked, wish) {
      const placed = place(hosts, demand(asked), wish);
      if ('lacks' in placed) throw noRoom(placed.lacks, count);
      count++;
      hosts.splice(hosts.indexOf(placed.host), 1, promise(placed.host, demand(asked)));
      return placed.host.id;
    },
  };
}

/** SQL, for a statement that does more: reserves on a host that `Room.place` has answered, for each row of `from`. */
export function reserving(
  { urn, host, ...asked }: Asked & { urn: RawBuilder<string>; host: number },
  from: RawBuilder<unknown>,
): RawBuilder<unknown> {
  const { vcpus, dedicated_mib, shared_mib, disk_gib, volume_gib } = columnsOf(asked);
  return sql`insert into host_reservations (urn, host_id, vcpus, dedicated_mib, shared_mib, disk_gib, volume_gib)
    select ${urn}, ${host}::integer, ${vcpus}::integer, ${dedicated_mib}::bigint, ${shared_mib}::bigint,
      ${disk_gib}::bigint, ${volume_gib}::bigint from ${from}`;
}

/** Reserves for one thing on a host that `Room.place` has answered. */
export async function reserveOn(tx: Tx, host: number, what: string, asked: Asked): Promise<void> {
  await tx
    .insertInto('host_reservations')
    .values({ urn: what, host_id: host, ...columnsOf(asked) })
    .execute();
}

/**
 * Finds room for one thing, reserves it, and answers its host; to be called before anything is locked that others wait
 * for. Who places several things in one transaction asks for the sum of them first: `holdRoom`.
 * @param what its URN, which has no reservation yet
 * @throws ApiError 422 with the figures
 */
export async function reserve(
  tx: Tx,
  { what, region, ...asked }: Asked & { what: string; region?: string },
): Promise<number> {
  const room = await holdRoom(tx, asked);
  const host = room.place(asked, { region });
  await reserveOn(tx, host, what, asked);
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

/**
 * Whether there is space for what a thing is to write, beyond what it has reserved: a new disk, a snapshot.
 * @throws ApiError 422 with the figures where less is free than is to be kept so
 */
export async function needSpace(db: Queryable, what: string, on: 'pool' | 'volumes'): Promise<void> {
  const { rows } = await sql<HostState>`
    select s.* from host_reservations r join host_states s on s.id = r.host_id where r.urn = ${what}`.execute(
    db,
  );
  const lacks = rows.flatMap((host) => lacksNow(host, on));
  if (lacks.length > 0) throw noRoom(lacks);
}

/** Writes down what a thing takes by now, where it can only be less, or is so already. */
export async function setReservation(db: Queryable, what: string, asked: Asked): Promise<void> {
  const columns = columnsOf(asked);
  await db
    .updateTable('host_reservations')
    .set(columns)
    .where('urn', '=', what)
    // What is so already is not summed up anew.
    .where(({ not, and, eb }) =>
      not(and(Object.entries(columns).map(([name, value]) => eb(name as keyof Reserved, '=', value)))),
    )
    .execute();
}

/** As the table has it. */
export function columnsOf(asked: Asked): Reserved {
  const { vcpus, memoryMib, dedicated, diskGib, volumeGib } = demand(asked);
  return {
    vcpus,
    dedicated_mib: dedicated ? memoryMib : 0,
    shared_mib: dedicated ? 0 : memoryMib,
    disk_gib: diskGib,
    volume_gib: volumeGib,
  };
}

/** SQL: whether the thing of this type and id has no reservation. */
export const hasNoRoom = (type: string, id: Expression<unknown>): RawBuilder<SqlBool> =>
  sql<SqlBool>`not exists (select from host_reservations where urn = ${`do:${type}:`}::text || ${id}::text)`;

/**
 * Reserves, on the one host that there was before there were several, for all things that have no reservation, whatever
 * room there is. `next` answers some of them, none at the end, and locks their rows, so that they cannot go meanwhile.
 */
export async function reserveForAll(
  store: Pick<Store, 'transaction'>,
  next: (tx: Tx) => Promise<(Asked & { urn: string })[]>,
): Promise<void> {
  const page = () =>
    store.transaction(async (tx) => {
      const things = await next(tx);
      if (things.length === 0) return false;
      const rows = things.map(({ urn, ...asked }) => ({ urn, host_id: theHost, ...columnsOf(asked) }));
      await tx
        .insertInto('host_reservations')
        .values(rows)
        .onConflict((same) => same.doNothing())
        .execute();
      return true;
    });
  while (await page());
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
