/** Volume actions. Attach and detach are the droplet's event too: its loop does them and ends them. */
import { sql } from 'kysely';
import type { Static } from 'typebox';
import { type Action, beginAction } from '../../control/actions.ts';
import { wake } from '../../control/reconcile.ts';
import { invalid, notFound, quoted, unprocessable } from '../../http/errors.ts';
import { audit } from '../../store/audit.ts';
import { Overtaken, type Tx } from '../../store/store.ts';
import { beginOnDroplet, holdDroplets, type LockedDroplet, lockDroplet } from '../pending/index.ts';
import { checkTagNames, ensureTags, tagResources } from '../tags/index.ts';
import type { Asked, VolumesDeps } from './context.ts';
import { checkBytes } from './missing.ts';
import { findVolume, lockVolume, type VolumeReference, type VolumeRow, volumeUrn } from './row.ts';
import { maxVolumesPerDroplet, type VolumeActionRequest } from './schema.ts';
import { volumeKind } from './wanted.ts';

type Ask = Static<typeof VolumeActionRequest>;
type Request = Asked & { body: Ask };

/** The text that terraform and DigitalOcean's CSI driver wait upon and try again. */
const pendingEvent = 'Droplet already has a pending event.';

/**
 * Begins an action on a volume.
 * @throws ApiError 404 for a volume or droplet the team has not, 422 where it cannot be done now
 */
export function actOnVolume(
  deps: VolumesDeps,
  request: Request,
  reference: VolumeReference,
): Promise<Action> {
  return deps.store.transaction((tx) => {
    const { type } = request.body;
    if (type === 'attach') return attach(tx, deps, request, reference);
    if (type === 'detach') return detach(tx, deps, request, reference);
    return resize(tx, deps, request, reference);
  });
}

async function attach(tx: Tx, deps: VolumesDeps, request: Request, reference: VolumeReference) {
  const { caller, body } = request;
  if (body.droplet_id === undefined)
    throw invalid('droplet_id', 'is missing: it says which Droplet the volume is to be attached to.');
  const tagNames = checkTagNames('tags', body.tags ?? []);
  // Tags, then the droplet, then the volume, as everybody locks them: so that no two requests wait for each other in a
  // circle.
  const tags = await ensureTags(tx, caller.teamId, tagNames, deps.clock);
  const droplet = await lockDroplet(tx, caller, body.droplet_id);
  const volume = await locked(tx, request, reference);
  if (volume.pending_action_id !== null) throw unprocessable(pendingEvent);
  if (volume.attached) throw unprocessable('This volume is already attached.');
  // Its last droplet is deleted, or could not be made, but the machine may still write on it.
  if (volume.held) throw unprocessable(pendingEvent);
  if (droplet.region !== volume.region) {
    throw invalid(
      'droplet_id',
      `names a Droplet in ${droplet.region}, but the volume is in ${volume.region}: both must be in the same region.`,
    );
  }
  checkBytes(volume);
  await checkRoom(tx, droplet);
  await tagResources(tx, tags, 'volume', [volume.id], deps.clock);
  return hang(tx, deps, request, { type: 'attach_volume', volume, droplet, on: droplet.id });
}

async function detach(tx: Tx, deps: VolumesDeps, request: Request, reference: VolumeReference) {
  const { caller, body } = request;
  const dropletId = body.droplet_id ?? (await findVolume(tx, caller, reference))?.droplet_id;
  if (dropletId === undefined) throw notFound();
  if (dropletId === null) throw unprocessable('Attachment not found');
  const droplet = await lockDroplet(tx, caller, dropletId);
  const volume = await locked(tx, request, reference);
  if (volume.pending_action_id !== null) throw unprocessable(pendingEvent);
  if (volume.droplet_id !== droplet.id || !volume.attached) throw unprocessable('Attachment not found');
  return hang(tx, deps, request, { type: 'detach_volume', volume, droplet, on: null });
}

interface Hanging {
  type: 'attach_volume' | 'detach_volume';
  volume: VolumeRow;
  droplet: LockedDroplet;
  /** The droplet it is to hang on afterwards. */
  on: number | null;
}

async function hang(tx: Tx, deps: VolumesDeps, request: Request, { type, volume, droplet, on }: Hanging) {
  const action = await begin(tx, deps, request, type, volume);
  await tx
    .updateTable('volumes')
    .set({ droplet_id: on, pending_action_id: action.id })
    .where('id', '=', volume.id)
    .execute();
  await beginOnDroplet(tx, droplet, action.id, action.started_at);
  return action;
}

async function resize(tx: Tx, deps: VolumesDeps, request: Request, reference: VolumeReference) {
  const size_gib = request.body.size_gigabytes;
  if (size_gib === undefined)
    throw invalid('size_gigabytes', 'is missing: a resize needs the new size in GiB.');
  const seen = await findVolume(tx, request.caller, reference);
  if (seen) await holdDroplets(tx, request.caller, [seen.droplet_id]);
  const volume = await locked(tx, request, reference);
  if (volume.pending_action_id !== null) throw unprocessable('Volume already has a pending event.');
  if (volume.droplet_id !== null && volume.droplet_id !== seen?.droplet_id) throw new Overtaken();
  checkBytes(volume);
  if (size_gib <= volume.size_gib) {
    throw invalid(
      'size_gigabytes',
      `must be larger than the ${volume.size_gib} GiB that the volume has: volumes can only grow.`,
    );
  }
  const action = await begin(tx, deps, request, 'resize_volume', volume);
  await tx
    .updateTable('volumes')
    .set({ size_gib, pending_action_id: action.id })
    .where('id', '=', volume.id)
    .execute();
  await wake(tx, volumeKind, volume.id, action.started_at);
  return action;
}

async function begin(tx: Tx, { clock }: VolumesDeps, request: Request, type: string, volume: VolumeRow) {
  const { caller, id: requestId, body } = request;
  const at = clock.now();
  const resource = { resourceType: 'volume', resourceId: volume.id, region: volume.region };
  const action = await beginAction(tx, { caller, type, ...resource, at });
  const urn = volumeUrn(volume.id);
  await audit(tx, { caller, requestId, operation: `volumeActions_post.${body.type}`, urn, at });
  return action;
}

/** @throws ApiError 404, and 422 where the request names another region than the volume's */
async function locked(tx: Tx, { caller, body }: Request, reference: VolumeReference): Promise<VolumeRow> {
  const volume = await lockVolume(tx, caller, reference);
  if (!volume) throw notFound();
  if (body.region && body.region.toLowerCase() !== volume.region)
    throw invalid('region', `${quoted(body.region)} is not the volume's, which is in ${volume.region}.`);
  return volume;
}

async function checkRoom(tx: Tx, droplet: LockedDroplet): Promise<void> {
  const { count } = await tx
    .selectFrom('volumes')
    .select(sql<number>`count(*)`.as('count'))
    .where('droplet_id', '=', droplet.id)
    .where('deleted_at', 'is', null)
    .executeTakeFirstOrThrow();
  if (count < maxVolumesPerDroplet) return;
  throw unprocessable(
    `A Droplet can have at most ${maxVolumesPerDroplet} volumes attached. Detach one from it first.`,
  );
}
