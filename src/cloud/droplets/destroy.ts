/** Deleting droplets: invisible at once, in whatever state they are; the loop clears the engine. */
import { beginAction, endAction } from '../../control/actions.ts';
import { type Asked, type Command, command } from '../../control/command.ts';
import { releaseReservedIps } from '../addresses/index.ts';
import { wakeBackups } from '../backups/index.ts';
import { dropletKind, dropletUrn, type LockedDroplet, lockDroplet } from '../droplet-state/index.ts';
import { abandonSnapshots } from '../images/index.ts';
import { untagResource } from '../tags/index.ts';
import { releaseVolumes } from '../volumes/index.ts';
import type { ActDeps } from './act.ts';
import { lockTagged } from './tagged.ts';

/** For the audit trail, whichever way a droplet is deleted. */
export const destroyOperation = 'droplets_destroy';

const interrupted = 'The Droplet was destroyed before this was done.';

/** Deletes a droplet. Its volumes, reserved addresses, snapshots stay. @throws ApiError 404 */
export function deleteDroplet(deps: ActDeps, request: Asked, dropletId: number): Promise<void> {
  return command(deps, request, destroyOperation, async (deletion) =>
    removeDroplet(deletion, await lockDroplet(deletion.tx, request.caller, dropletId)),
  );
}

/** So many droplets are deleted in one transaction: the loop and other requests wait for the locks of its rows. */
const batch = 100;

/** Deletes every droplet with a tag; none is fine, as on DigitalOcean. In order of their ids, a batch at a time. */
export async function deleteTagged(deps: ActDeps, request: Asked, tag: string): Promise<void> {
  let after = 0;
  for (;;) {
    const deleted = await command(deps, request, destroyOperation, async (deletion) => {
      const droplets = await lockTagged(deletion.tx, request.caller, tag, { after, most: batch });
      for (const droplet of droplets) await removeDroplet(deletion, droplet);
      return droplets;
    });
    const last = deleted.at(-1);
    if (!last || deleted.length < batch) return;
    after = last.id;
  }
}

/** Deletes a locked droplet, as a part of a command. */
export async function removeDroplet(
  { tx, caller, at, changed }: Command,
  droplet: LockedDroplet,
): Promise<void> {
  if (droplet.pending_action_id !== null) {
    await endAction(tx, droplet.pending_action_id, { status: 'errored', at, message: interrupted });
  }
  const resource = { resourceType: 'droplet', resourceId: String(droplet.id), region: droplet.region };
  const action = await beginAction(tx, { caller, type: 'destroy', ...resource, at });
  await abandonSnapshots(tx, droplet.id, { error: interrupted, at });
  changed(...(await untagResource(tx, 'droplet', String(droplet.id))));
  changed(...(await releaseVolumes(tx, droplet.id)), ...(await releaseReservedIps(tx, droplet.id, at)));
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
  changed({
    urn: dropletUrn(droplet.id),
    change: 'deleted',
    action: action.id,
    wake: [dropletKind, String(droplet.id)],
  });
}
