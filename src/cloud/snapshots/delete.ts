import type { Caller } from '../../base/caller.ts';
import type { Clock } from '../../base/clock.ts';
import { type Asked, command } from '../../control/command.ts';
import { ApiError, notFound } from '../../http/errors.ts';
import type { Queryable, Store } from '../../store/store.ts';
import { imagesOfDropletChanged } from '../droplet-state/index.ts';
import { deleteImages, findOwnImage, imageUrn } from '../images/index.ts';
import { tagsTaken } from '../tags/index.ts';
import { deleteVolumeSnapshot } from '../volumes/index.ts';

export interface SnapshotsDeps {
  store: Store;
  clock: Clock;
}

/** Whether an id is one of a droplet's snapshots: those are numbers, and images too. */
export const isImageId = (id: string): boolean => /^\d{1,15}$/.test(id);

/** @throws ApiError 400 where the team has an image of this id that is no snapshot */
export async function checkIsSnapshot(db: Queryable, caller: Caller, id: string): Promise<void> {
  if (!isImageId(id)) return;
  const image = await findOwnImage(db, caller.teamId, Number(id));
  if (image && image.type !== 'snapshot') throw notASnapshot();
}

const notASnapshot = () => new ApiError('bad_request', 'the resource is not a snapshot');

/** Deletes a snapshot of a droplet or of a volume; `operation` is for the audit trail. @throws ApiError 404, 400 where it is another kind of image */
export function deleteSnapshot(
  deps: SnapshotsDeps,
  request: Asked & { operation: string },
  id: string,
): Promise<void> {
  if (!isImageId(id)) return deleteVolumeSnapshot(deps, request, id);
  const { caller, operation } = request;
  return command(deps, request, operation, async ({ tx, at, changed }) => {
    const image = await findOwnImage(tx, caller.teamId, Number(id), 'lock');
    if (image && image.type !== 'snapshot') throw notASnapshot();
    if (image?.status !== 'available') throw notFound();
    const [deleted] = await deleteImages(tx, [image.id], at);
    changed({ urn: imageUrn(image.id), change: 'deleted' });
    changed(...tagsTaken(deleted?.tags ?? []), ...(await imagesOfDropletChanged(tx, image.droplet_id)));
  });
}
