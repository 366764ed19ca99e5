/** Volume actions. Attach and detach are the droplet's event too: its loop does them and ends them. */
import { sql } from 'kysely';
import type { Static } from 'typebox';
import { type Action, beginAction } from '../../control/actions.ts';
import { type Asked, type Command, command } from '../../control/command.ts';
import { invalid, notFound, quoted, unprocessable } from '../../http/errors.ts';
import { Overtaken, type Tx } from '../../store/store.ts';
import {
  beginOnDroplet,
  dropletChanged,
  holdDroplets,
  type LockedDroplet,
  lockDroplet,
} from '../droplet-state/index.ts';
import { holdRoom, reserveMore } from '../hosts/index.ts';
import { checkTagNames, ensureTags, tagResources, tagsGiven } from '../tags/index.ts';
import type { VolumesDeps } from './context.ts';
import { volumeKind } from './kinds.ts';
import { checkBytes } from './missing.ts';
import {
  findVolume,
  lockVolume,
  takenOfHost,
  type VolumeReference,
  type VolumeRow,
  volumeUrn,
} from './row.ts';
import { maxVolumesPerDroplet, type VolumeActionRequest } from './schema.ts';

type Ask = Static<typeof VolumeActionRequest>;
/** The command, and what is asked of it. */
type Acting = Command & Pick<VolumesDeps, 'clock'> & { body: Ask };

/** The text that terraform and DigitalOcean's CSI driver wait upon and try again. */
const pendingEvent = 'Droplet already has a pending event.';

/**
 * Begins an action on a volume.
 * @throws ApiError 404 for a volume or droplet the team has not, 422 where it cannot be done now
 */
export function actOnVolume(
  deps: VolumesDeps,
  request: Asked & { body: Ask },
  reference: VolumeReference,
): Promise<Action> {
  const { body } = request;
  return command(deps, request, `volumeActions_post.${body.type}`, (begun) => {
    const acting = { ...begun, clock: deps.clock, body };
    if (body.type === 'attach') return attach(acting, reference);
    if (body.type === 'detach') return detach(acting, reference);
    return resize(acting, reference);
  });
}

async function attach(acting: Acting, reference: VolumeReference) {
  const { tx, caller, body, clock } = acting;
  if (body.droplet_id === undefined)
    throw invalid('droplet_id', 'is missing: it says which Droplet the volume is to be attached to.');
  const tagNames = checkTagNames('tags', body.tags ?? []);
  // Tags, then the droplet, then the volume, as everybody locks them: so that no two requests wait for each other in a
  // circle.
  const tags = await ensureTags(tx, caller.teamId, tagNames, clock);
  const droplet = await lockDroplet(tx, caller, body.droplet_id);
  const volume = await locked(acting, reference);
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
  const given = await tagResources(tx, tags, 'volume', [volume.id], clock);
  acting.changed(...tagsGiven(tags.filter((tag) => given.some(({ tagId }) => tagId === tag.id))));
  return changeAttachment(acting, { type: 'attach_volume', volume, droplet, attachedTo: droplet.id });
}

async function detach(acting: Acting, reference: VolumeReference) {
  const { tx, caller, body } = acting;
  const dropletId = body.droplet_id ?? (await findVolume(tx, caller, reference))?.droplet_id;
  if (dropletId === undefined) throw notFound();
  if (dropletId === null) throw unprocessable('Attachment not found');
  const droplet = await lockDroplet(tx, caller, dropletId);
  const volume = await locked(acting, reference);
  if (volume.pending_action_id !== null) throw unprocessable(pendingEvent);
  if (volume.droplet_id !== droplet.id || !volume.attached) throw unprocessable('Attachment not found');
  return changeAttachment(acting, { type: 'detach_volume', volume, droplet, attachedTo: null });
}

interface AttachmentChange {
  type: 'attach_volume' | 'detach_volume';
  volume: VolumeRow;
  droplet: LockedDroplet;
  /** The droplet it is to be attached to afterwards; null: none. */
  attachedTo: number | null;
}

/** Begins an attach or a detach: an action of the volume that is an event of the droplet, too. */
async function changeAttachment(acting: Acting, { type, volume, droplet, attachedTo }: AttachmentChange) {
  const { tx, changed } = acting;
  const action = await begin(acting, type, volume);
  await tx
    .updateTable('volumes')
    .set({ droplet_id: attachedTo, pending_action_id: action.id })
    .where('id', '=', volume.id)
    .execute();
  await beginOnDroplet(tx, droplet, action.id);
  changed({ urn: volumeUrn(volume.id), change: 'changed', action: action.id }, dropletChanged(droplet.id));
  return action;
}

async function resize(acting: Acting, reference: VolumeReference) {
  const { tx, caller, body, changed } = acting;
  const size_gib = body.size_gigabytes;
  if (size_gib === undefined)
    throw invalid('size_gigabytes', 'is missing: a resize needs the new size in GiB.');
  await holdRoom(tx, 'alone');
  const seen = await findVolume(tx, caller, reference);
  if (seen) await holdDroplets(tx, caller, [seen.droplet_id]);
  const volume = await locked(acting, reference);
  if (volume.pending_action_id !== null) throw unprocessable('Volume already has a pending event.');
  if (volume.droplet_id !== null && volume.droplet_id !== seen?.droplet_id) throw new Overtaken();
  checkBytes(volume);
  if (size_gib <= volume.size_gib) {
    throw invalid(
      'size_gigabytes',
      `must be larger than the ${volume.size_gib} GiB that the volume has: volumes can only grow.`,
    );
  }
  await reserveMore(tx, volumeUrn(volume.id), takenOfHost(size_gib));
  const action = await begin(acting, 'resize_volume', volume);
  await tx
    .updateTable('volumes')
    .set({ size_gib, pending_action_id: action.id })
    .where('id', '=', volume.id)
    .execute();
  changed({
    urn: volumeUrn(volume.id),
    change: 'changed',
    action: action.id,
    wake: [volumeKind, volume.id],
  });
  return action;
}

function begin({ tx, caller, at }: Acting, type: string, volume: VolumeRow): Promise<Action> {
  const resource = { resourceType: 'volume', resourceId: volume.id, region: volume.region };
  return beginAction(tx, { caller, type, ...resource, at });
}

/** @throws ApiError 404, and 422 where the request names another region than the volume's */
async function locked({ tx, caller, body }: Acting, reference: VolumeReference): Promise<VolumeRow> {
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
