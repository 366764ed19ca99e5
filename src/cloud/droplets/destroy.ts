/** Deleting droplets: invisible at once, in whatever state they are; the loop clears the engine. */
import { beginAction, endAction } from '../../control/actions.ts';
import type { Caller } from '../../http/operation.ts';
import { audit } from '../../store/audit.ts';
import type { Tx } from '../../store/store.ts';
import { releaseReservedIps } from '../addresses/index.ts';
import { wakeBackups } from '../backups/index.ts';
import { abandonSaves } from '../images/index.ts';
import { type LockedDroplet, lockDroplet, wakeDroplet } from '../pending/index.ts';
import { untagResource } from '../tags/index.ts';
import { releaseVolumes } from '../volumes/index.ts';
import type { ActDeps } from './act.ts';
import { dropletUrn } from './row.ts';
import { lockTagged } from './tagged.ts';

interface Asked {
  caller: Caller;
  id: string;
}

const interrupted = 'The Droplet was destroyed before this was done.';

/** Deletes a droplet. Its volumes, reserved addresses, snapshots stay. @throws ApiError 404 */
export function deleteDroplet(deps: ActDeps, request: Asked, dropletId: number): Promise<void> {
  return deps.store.transaction(async (tx) =>
    removeDroplet(tx, deps, request, await lockDroplet(tx, request.caller, dropletId)),
  );
}

/** So many droplets are deleted in one transaction: the loop and other requests wait for the locks of its rows. */
const batch = 100;

/** Deletes every droplet with a tag; none is fine, as on DigitalOcean. In order of their ids, a batch at a time. */
export async function deleteTagged(deps: ActDeps, request: Asked, tag: string): Promise<void> {
  let after = 0;
  for (;;) {
    const deleted = await deps.store.transaction(async (tx) => {
      const droplets = await lockTagged(tx, request.caller, tag, { after, most: batch });
      for (const droplet of droplets) await removeDroplet(tx, deps, request, droplet);
      return droplets;
    });
    const last = deleted.at(-1);
    if (!last || deleted.length < batch) return;
    after = last.id;
  }
}

/** Deletes a locked droplet in the caller's transaction. */
export async function removeDroplet(
  tx: Tx,
  deps: Pick<ActDeps, 'clock'>,
  { caller, id }: Asked,
  droplet: LockedDroplet,
): Promise<void> {
  const at = deps.clock.now();
  if (droplet.pending_action_id !== null) {
    await endAction(tx, droplet.pending_action_id, { status: 'errored', at, message: interrupted });
  }
  const resource = { resourceType: 'droplet', resourceId: String(droplet.id), region: droplet.region };
  const action = await beginAction(tx, { caller, type: 'destroy', ...resource, at });
  await abandonSaves(tx, droplet.id, { error: interrupted, at });
  await untagResource(tx, 'droplet', String(droplet.id));
  await releaseVolumes(tx, droplet.id);
  await releaseReservedIps(tx, droplet.id, at);
  await wakeBackups(tx, droplet.id, at);
  await tx
    .updateTable('droplets')
    .set({
      deleted_at: at,
      pending_action_id: action.id,
      backup_plan: null,
      backup_due: null,
      new_password: null,
    })
    .where('id', '=', droplet.id)
    .execute();
  await audit(tx, { caller, requestId: id, operation: 'droplets_destroy', urn: dropletUrn(droplet.id), at });
  await wakeDroplet(tx, droplet.id, at);
}
