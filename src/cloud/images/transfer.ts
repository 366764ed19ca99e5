/**
 * Handing a snapshot to another team. It is offered; then its recipient accepts or declines it, or its sender cancels
 * it. Whoever ends a transfer holds the lock of its image: of two who come at once, the second finds it ended.
 */
import { type Insertable, type Selectable, sql } from 'kysely';
import type { Static } from 'typebox';
import type { Caller } from '../../base/caller.ts';
import { type Asked, type Command, command } from '../../control/command.ts';
import { invalid, notFound, unprocessable } from '../../http/errors.ts';
import type { ImageTransfers } from '../../store/schema.ts';
import type { Queryable, Tx } from '../../store/store.ts';
import { emailOf, findTeam, mayInTeam } from '../account/index.ts';
import { imagesOfDropletChanged } from '../droplet-state/index.ts';
import { untagResource } from '../tags/index.ts';
import { type ImageCommandDeps, lockImage } from './commands.ts';
import { imageUrn } from './row.ts';
import type { TransferAccept, TransferOffer, TransferRef } from './schema.ts';
import { transferKind } from './transfer-letter.ts';

type Transfer = Selectable<ImageTransfers>;

/**
 * Offers a snapshot to a team, or to whoever has an e-mail address and is told so by a letter. A caller who could
 * accept for the team has accepted. Answers the transfer's id, and 0 where it is accepted already.
 * @throws ApiError 403 for a public image, 404, 422
 */
export function offerImage(
  deps: ImageCommandDeps,
  request: Asked & { body: Static<typeof TransferOffer> },
  imageId: number,
): Promise<number> {
  const { caller, body } = request;
  return command(deps, request, 'images_post_account_transfer_create', async (offer) => {
    const { tx, at, changed } = offer;
    const image = await lockImage(tx, caller, imageId);
    if (image.type !== 'snapshot')
      throw unprocessable('Only a snapshot can be transferred to another account.');
    if (image.status !== 'available')
      throw unprocessable('Image is not available. Wait until its status is available.');
    const recipient = await recipientOf(tx, caller, body);
    if (await pendingTransfer(tx, image.id))
      throw unprocessable('Image already has a pending transfer. Cancel it first.');
    const { id } = await tx
      .insertInto('image_transfers')
      .values({ image_id: image.id, team_id: caller.teamId, ...recipient, created_at: at })
      .returning('id')
      .executeTakeFirstOrThrow();
    const team = recipient.recipient_team_id;
    if (team && (await mayAccept(tx, caller, team, at))) {
      await moveImage(offer, { id, image_id: image.id, team_id: caller.teamId }, team);
      return 0;
    }
    changed({
      urn: imageUrn(image.id),
      change: 'changed',
      ...(!team && { wake: [transferKind, String(id)] }),
    });
    return id;
  });
}

/**
 * Moves an offered image into the caller's team, which the recipient names once more.
 * @throws ApiError 404 where nothing is offered to the caller, 422 for another team or where the transfer has ended
 */
export function acceptImage(
  deps: ImageCommandDeps,
  request: Asked & { body: Static<typeof TransferAccept> },
  imageId: number,
): Promise<void> {
  const { teamId } = request.caller;
  return endTransfer(deps, request, imageId, 'accept', async (ending, transfer) => {
    if (request.body.recipient_uuid.toLowerCase() !== teamId)
      throw invalid('recipient_uuid', 'is not the team of this token: it can accept for its own team only.');
    if (transfer.team_id === teamId)
      throw invalid('recipient_uuid', 'is the team that has the image already.');
    await moveImage(ending, transfer, teamId);
  });
}

/** Leaves an offered image with its sender. @throws ApiError 404, 422 as for accepting */
export const declineImage = (
  deps: ImageCommandDeps,
  request: Asked & { body: Static<typeof TransferRef> },
  imageId: number,
): Promise<void> =>
  endTransfer(deps, request, imageId, 'decline', (ending, transfer) => leave(ending, transfer, 'declined'));

/** Takes an offer back. @throws ApiError 404 where the caller's team has made none, 422 where it has ended */
export const cancelTransfer = (
  deps: ImageCommandDeps,
  request: Asked & { body: Static<typeof TransferRef> },
  imageId: number,
): Promise<void> =>
  endTransfer(deps, request, imageId, 'cancel', (ending, transfer) => leave(ending, transfer, 'cancelled'));

function endTransfer(
  deps: ImageCommandDeps,
  request: Asked & { body: Static<typeof TransferRef> },
  imageId: number,
  way: 'accept' | 'decline' | 'cancel',
  end: (command: Command, transfer: Transfer) => Promise<void>,
): Promise<void> {
  const { caller } = request;
  const mine = way === 'cancel' ? sentBy(caller) : offeredTo(caller);
  return command(deps, request, `images_post_account_transfer_${way}`, async (ending) => {
    const { tx } = ending;
    const find = () =>
      tx
        .selectFrom('image_transfers')
        .selectAll()
        .where('id', '=', request.body.transfer_id)
        .where('image_id', '=', imageId)
        .where(mine)
        .executeTakeFirst();
    // Nobody waits for, or holds, the lock of an image that is none of theirs.
    if (!(await find())) throw notFound();
    await tx.selectFrom('images').select('id').where('id', '=', imageId).forUpdate().execute();
    const transfer = await find();
    if (!transfer) throw notFound();
    if (transfer.status !== 'pending')
      throw unprocessable(`The transfer has been ${transfer.status} already.`);
    await end(ending, transfer);
  });
}

const sentBy = (caller: Caller) => sql<boolean>`team_id = ${caller.teamId}`;

const offeredTo = (caller: Caller) => sql<boolean>`(recipient_team_id = ${caller.teamId}
  or lower(recipient_email) = ${emailOf(caller.userId)})`;

/** @throws ApiError 422 where there is not exactly one, or it is no team that could take the image */
async function recipientOf(
  db: Queryable,
  caller: Caller,
  { recipient_email: email, recipient_uuid: team }: Static<typeof TransferOffer>,
): Promise<Pick<Insertable<ImageTransfers>, 'recipient_email' | 'recipient_team_id'>> {
  if (email !== undefined && team !== undefined)
    throw invalid('recipient_uuid', 'cannot be given together with recipient_email: give one of them.');
  // Whether somebody has the address is not told.
  if (email !== undefined) return { recipient_email: email };
  if (team === undefined)
    throw invalid('recipient_uuid', 'is missing: give the UUID of a team, or a recipient_email.');
  const found = await findTeam(db, team);
  if (!found) throw invalid('recipient_uuid', 'is not the UUID of a team.');
  if (found.id === caller.teamId) throw invalid('recipient_uuid', 'is the team that has the image already.');
  return { recipient_team_id: found.id };
}

/** Whether the caller could accept for another team. */
const mayAccept = (db: Queryable, { userId }: Caller, teamId: string, at: Date): Promise<boolean> =>
  mayInTeam(db, { userId, teamId, scope: 'image:create', at });

function pendingTransfer(db: Queryable, imageId: number): Promise<{ id: number } | undefined> {
  return db
    .selectFrom('image_transfers')
    .select('id')
    .where('image_id', '=', imageId)
    .where('status', '=', 'pending')
    .executeTakeFirst();
}

/** What ties the image to its old team stays there: tags, and the droplet it was taken of. */
async function moveImage(
  { tx, at, caller, changed }: Command,
  { id, image_id, team_id: from }: Pick<Transfer, 'id' | 'image_id' | 'team_id'>,
  teamId: string,
): Promise<void> {
  await close(tx, id, 'accepted', at, { recipient_team_id: teamId });
  const ofSender = await untagResource(tx, 'image', String(image_id));
  const image = await tx
    .selectFrom('images')
    .select('droplet_id')
    .where('id', '=', image_id)
    .executeTakeFirstOrThrow();
  await tx
    .updateTable('images')
    .set({ team_id: teamId, droplet_id: null })
    .where('id', '=', image_id)
    .execute();
  const urn = imageUrn(image_id);
  const [left, arrived] = [from, teamId].map((team) => ({
    teamId: team,
    ...(team !== caller.teamId && { besides: true as const }),
  }));
  changed({ urn, change: 'deleted', ...left }, { urn, change: 'created', ...arrived });
  ofSender.push(...(await imagesOfDropletChanged(tx, image.droplet_id)));
  for (const change of ofSender) changed({ ...change, teamId: from });
}

/** The image stays with the team that has offered it. */
async function leave(
  { tx, at, changed }: Command,
  { id, image_id, team_id: teamId }: Transfer,
  how: 'declined' | 'cancelled',
): Promise<void> {
  await close(tx, id, how, at);
  changed({ urn: imageUrn(image_id), change: 'changed', teamId });
}

async function close(
  tx: Tx,
  id: number,
  status: 'accepted' | 'declined' | 'cancelled',
  at: Date,
  more: Partial<Transfer> = {},
): Promise<void> {
  await tx
    .updateTable('image_transfers')
    .set({ status, ended_at: at, ...more })
    .where('id', '=', id)
    .execute();
}
