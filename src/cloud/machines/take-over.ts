/** What is to be put right between machines and engines before the first request, as for droplets. */
import { sql } from 'kysely';
import { moveSequence } from '../../store/sequences.ts';
import type { Tx } from '../../store/store.ts';
import { isMachineId } from '../guest-ids.ts';
import type { EngineDeps } from '../product.ts';
import { machineIdOf, machineName } from './row.ts';

/** Ids go on above all that the engines have seen, and so do the boots of each machine. */
export async function continueMachines({ store, compute, host }: EngineDeps): Promise<void> {
  const [instances, entries] = await Promise.all([compute.list(), host.list()]);
  const ours = instances.flatMap(({ urn, name, boot }) => {
    const id = machineIdOf(urn);
    return id === undefined ? [] : [{ id, name, boot }];
  });
  const ids = [...ours.map(({ id }) => id), ...entries.filter(isMachineId)];
  if (ids.length > 0) await moveSequence(store.db, 'machines_id_seq', Math.max(...ids));
  const rows = await store.db
    .selectFrom('machines')
    .select(['id', 'nonce', 'boot'])
    .where('gone_at', 'is', null)
    .execute();
  for (const row of rows) {
    const boot = ours.find(({ name }) => name === machineName(row))?.boot ?? 0;
    if (boot > row.boot)
      await store.db.updateTable('machines').set({ boot }).where('id', '=', row.id).execute();
  }
}

/**
 * Raises the versions of all machines, for hosts that have seen newer ones. What their programs were told last is newer,
 * too, than what is desired of them here: they are told anew.
 */
export async function raiseMachineVersions(tx: Tx): Promise<void> {
  await sql`update machines set version = version, applied_run = null where gone_at is null`.execute(tx);
}
