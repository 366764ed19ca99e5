/**
 * What is to be put right between droplets and engines before the first request: a restored dump may be older than what
 * the engines hold.
 */
import { sql } from 'kysely';
import { noteHostEntries } from '../../control/cloud-id.ts';
import { quarantinedNames } from '../../control/quarantine.ts';
import { wake } from '../../control/reconcile.ts';
import { pageSize } from '../../control/sweep.ts';
import { anyOf } from '../../store/any-of.ts';
import { moveSequence, restartSequence } from '../../store/sequences.ts';
import type { Queryable, Store } from '../../store/store.ts';
import { takeUnsealed } from '../../store/unsealed.ts';
import {
  ensurePool,
  type HeldAddress,
  holdAddresses,
  holdsAddresses,
  publicPool,
  raiseReservedVersions,
  vpcPool,
} from '../addresses/index.ts';
import type { CloudContext, PublicNetwork } from '../context.ts';
import { dropletKind, dropletUrn } from '../droplet-state/index.ts';
import { hasNoRoom, holdRoomOf, holdsRoom, reserveForAll } from '../hosts/index.ts';
import { productEntryKind, productMachineKind, raiseMachineVersions } from '../machines/index.ts';
import type { EngineDeps } from '../product.ts';
import { sizes } from '../sizes/index.ts';
import { entryShape } from './host-entry.ts';
import { machineKind } from './quarantined.ts';
import { sealPassword } from './root-access.ts';
import { instanceName, takenOfHost } from './row.ts';
import { dropletIdOf, hostEntryKind } from './sweep.ts';

/** Of a size that the catalogue has no more nothing is known. */
const slugs = sizes.map(({ slug }) => slug);

/**
 * Ids, versions and generations go on above all that the engines have seen, so that nothing new is taken for something
 * that is there, and no host calls stale what is newest here.
 */
export async function continueDroplets(deps: EngineDeps & { context: CloudContext }): Promise<void> {
  const { store, compute, host, clock, log, context } = deps;
  await ensurePool(store.db, publicPool, context.network.ipv4);
  const [machines, { droplets, newest }] = await Promise.all([compute.list(), host.survey()]);
  const ids = [...machines.flatMap(({ urn }) => dropletIdOf(urn) ?? []), ...droplets.map(({ id }) => id)];
  await moveSequence(store.db, 'droplets_id_seq', Math.max(0, ...ids));
  // All or nothing: after a crash in between, the sequence would tell nobody any more that the rows are to rise.
  const older = await store.transaction(async (tx) => {
    if (!(await restartSequence(tx, 'droplet_versions', newest))) return false;
    await sql`update droplets set version = version where gone_at is null`.execute(tx);
    await raiseReservedVersions(tx);
    await raiseMachineVersions(tx);
    return true;
  });
  if (older)
    log.warn(
      { newest },
      'the host has seen newer versions than this database: it is an older one, all versions have risen',
    );
  await continueGenerations(store, machines);
  await sealPasswords(deps);
  await roomForDroplets(store);
  await renewEntries(store, clock.now(), context.network);
}

/** Entries that a version before has made are handed over anew where this one makes others of the same rows. */
async function renewEntries(store: Store, at: Date, network: PublicNetwork): Promise<void> {
  await store.transaction(async (tx) => {
    if (await noteHostEntries(tx, entryShape(network)))
      await sql`select wake(${dropletKind}, id::text, ${at}) from droplets where gone_at is null`.execute(tx);
  });
}

/** Those of before they were sealed: their letters are still to be sent. */
async function sealPasswords({ store, secrets, clock }: EngineDeps): Promise<void> {
  await store.transaction(async (tx) => {
    for (const { rowId, plain } of await takeUnsealed(tx, 'droplets.new_password')) {
      const id = Number(rowId);
      const new_password = sealPassword(secrets, id, plain);
      await tx
        .updateTable('droplets')
        .set({ new_password })
        .where('id', '=', id)
        .where('gone_at', 'is', null)
        .execute();
      await wake(tx, dropletKind, rowId, clock.now());
    }
  });
}

/** Reserves for the droplets that were made before there were hosts. */
const roomForDroplets = (store: EngineDeps['store']): Promise<void> =>
  reserveForAll(store, async (tx) => {
    const rows = await tx
      .selectFrom('droplets')
      .select(['id', 'size', 'disk_gib'])
      .where('gone_at', 'is', null)
      .where(anyOf('size', slugs))
      .where(({ ref }) => hasNoRoom('droplet', ref('droplets.id')))
      .limit(pageSize)
      .forNoKeyUpdate()
      .execute();
    return rows.map((row) => ({ urn: dropletUrn(row.id), ...takenOfHost(row) }));
  });

/**
 * A reboot or rebuild raises a number, and is done when the machine has it: one that is ahead of its row would take the
 * next ones for done.
 */
async function continueGenerations(
  { db }: EngineDeps['store'],
  machines: readonly { urn: string; name: string; boot: number; root: number }[],
): Promise<void> {
  for (let first = 0; first < machines.length; first += pageSize) {
    const page = machines.slice(first, first + pageSize);
    const ids = page.flatMap(({ urn }) => dropletIdOf(urn) ?? []);
    const rows = await db
      .selectFrom('droplets')
      .select(['id', 'nonce', 'boot', 'root'])
      .where(anyOf('id', ids))
      .execute();
    for (const row of rows) {
      const machine = page.find(({ name }) => name === instanceName(row));
      if (!machine || (machine.boot <= row.boot && machine.root <= row.root)) continue;
      await sql`update droplets set boot = greatest(boot, ${machine.boot}), root = greatest(root, ${machine.root}),
        root_done = greatest(root_done, ${machine.root}) where id = ${row.id}`.execute(db);
    }
  }
}

/**
 * Keeps the addresses of machines and host entries that are in quarantine, droplets' and others', from being given out, and
 * the room that the machines take from being promised.
 */
export async function holdQuarantined({ store, compute, host, clock }: EngineDeps): Promise<void> {
  const [machines, entries] = await Promise.all([
    namesOf(store.db, [machineKind, productMachineKind]),
    namesOf(store.db, [hostEntryKind, productEntryKind]),
  ]);
  const isNothing = machines.size + entries.size === 0;
  if (isNothing && !(await holdsAddresses(store)) && !(await holdsRoom(store))) return;
  const [surveyed, instances, { droplets }] = await Promise.all([
    compute.survey(),
    compute.list(),
    host.survey(),
  ]);
  await holdRoomOf(
    store,
    instances
      .filter(({ name }) => machines.has(name))
      // Of a droplet nobody knows any more what size it was sold as: most share their memory.
      .map(({ name, urn, size }) => ({ name, ...size, dedicated: dropletIdOf(urn) === undefined })),
  );
  const ofMachines = surveyed.filter(({ name }) => machines.has(name)).flatMap(({ addresses }) => addresses);
  const ofEntries = droplets
    .filter(({ id }) => entries.has(String(id)))
    .flatMap(({ addresses }) => addresses);
  // IPv6 addresses follow from the IPv4 ones.
  const held: HeldAddress[] = [
    ...ofMachines.map(({ network, ip }) => ({
      pool: network === 'public' ? publicPool : vpcPool(network),
      ip,
    })),
    ...ofEntries.map((ip) => ({ pool: publicPool, ip })),
  ].filter(({ ip }) => !ip.includes(':'));
  await ensureVpcPools(store, [...new Set(ofMachines.map(({ network }) => network))]);
  await holdAddresses(store, held, clock.now());
}

async function namesOf(db: Queryable, kinds: readonly string[]): Promise<Set<string>> {
  const names = await Promise.all(kinds.map((kind) => quarantinedNames(db, kind)));
  return new Set(names.flatMap((each) => [...each]));
}

/** The pools of those of these VPCs that the database knows. */
async function ensureVpcPools({ db }: EngineDeps['store'], networks: readonly string[]): Promise<void> {
  const { rows } = await sql<{ id: string; ip_range: string }>`
    select id, ip_range from vpcs where id::text = any(${[...networks]}::text[])`.execute(db);
  for (const { id, ip_range } of rows) await ensurePool(db, vpcPool(id), ip_range);
}
