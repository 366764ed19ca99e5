import { wake } from '../../control/reconcile.ts';
import { conflict, notFound } from '../../http/errors.ts';
import { audit } from '../../store/audit.ts';
import { untagResource } from '../tags/index.ts';
import type { Asked, VolumesDeps } from './context.ts';
import { lockVolume, type VolumeReference, volumeUrn } from './row.ts';
import { volumeKind } from './wanted.ts';

/** Deletes a volume: invisible at once; the loop deletes the bytes. @throws ApiError 404, 409 while it is attached */
export function deleteVolume(
  { store, clock }: VolumesDeps,
  request: Asked & { operation: string },
  reference: VolumeReference,
): Promise<void> {
  const { caller, operation } = request;
  return store.transaction(async (tx) => {
    const volume = await lockVolume(tx, caller, reference);
    if (!volume) throw notFound();
    if (volume.attached)
      throw conflict(
        "A volume that's attached to a Droplet cannot be deleted. Please detach it first before deleting.",
      );
    if (volume.pending_action_id !== null)
      throw conflict('The volume has a pending event. Please wait for its action to end before deleting.');
    const at = clock.now();
    await untagResource(tx, 'volume', volume.id);
    await tx.updateTable('volumes').set({ deleted_at: at }).where('id', '=', volume.id).execute();
    await audit(tx, { caller, requestId: request.id, operation, urn: volumeUrn(volume.id), at });
    await wake(tx, volumeKind, volume.id, at);
  });
}
