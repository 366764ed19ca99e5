import { type Asked, command } from '../../control/command.ts';
import { conflict, notFound } from '../../http/errors.ts';
import { untagResource } from '../tags/index.ts';
import type { VolumesDeps } from './context.ts';
import { volumeKind } from './kinds.ts';
import { lockVolume, type VolumeReference, volumeUrn } from './row.ts';

/** Deletes a volume: invisible at once; the loop deletes the bytes. @throws ApiError 404, 409 while it is attached */
export function deleteVolume(
  deps: VolumesDeps,
  request: Asked & { operation: string },
  reference: VolumeReference,
): Promise<void> {
  return command(deps, request, request.operation, async ({ tx, at, changed }) => {
    const volume = await lockVolume(tx, request.caller, reference);
    if (!volume) throw notFound();
    if (volume.attached)
      throw conflict(
        "A volume that's attached to a Droplet cannot be deleted. Please detach it first before deleting.",
      );
    if (volume.pending_action_id !== null)
      throw conflict('The volume has a pending event. Please wait for its action to end before deleting.');
    const taken = await untagResource(tx, 'volume', volume.id);
    await tx.updateTable('volumes').set({ deleted_at: at }).where('id', '=', volume.id).execute();
    changed(...taken, { urn: volumeUrn(volume.id), change: 'deleted', wake: [volumeKind, volume.id] });
  });
}
