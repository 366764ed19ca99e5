/** Image actions. Both change what is written down and nothing else, so they are completed when they are answered. */
import type { Static } from 'typebox';
import { type Action, beginAction } from '../../control/actions.ts';
import { type Asked, command } from '../../control/command.ts';
import { invalid, unprocessable } from '../../http/errors.ts';
import { imagesOfDropletChanged } from '../droplet-state/index.ts';
import { checkRegion } from '../regions/index.ts';
import { type ImageCommandDeps, lockImage } from './commands.ts';
import { type ImageRow, imageUrn } from './row.ts';
import type { ImageActionRequest } from './schema.ts';

type Ask = Static<typeof ImageActionRequest>;

/**
 * `transfer` makes an image available in another region, all of which are this host; `convert` makes a backup a
 * snapshot, which no retention deletes.
 * @throws ApiError 403 for a public image, 404, 422
 */
export function actOnImage(
  deps: ImageCommandDeps,
  request: Asked & { body: Ask },
  imageId: number,
): Promise<Action> {
  const { caller, body } = request;
  return command(deps, request, `imageActions_post.${body.type}`, async ({ tx, at, changed }) => {
    const image = await lockImage(tx, caller, imageId);
    if (image.status !== 'available')
      throw unprocessable('Image is not available. Wait until its status is available.');
    const { region, changes } = effectOf(image, body);
    await tx.updateTable('images').set(changes).where('id', '=', image.id).execute();
    const action = await beginAction(tx, {
      caller,
      type: body.type,
      resourceType: 'image',
      resourceId: String(image.id),
      region,
      at,
      done: true,
    });
    changed({ urn: imageUrn(image.id), change: 'changed', action: action.id });
    if (changes.type) changed(...(await imagesOfDropletChanged(tx, image.droplet_id)));
    return action;
  });
}

function effectOf(image: ImageRow, ask: Ask): { region: string; changes: Partial<ImageRow> } {
  if (ask.type === 'convert') {
    if (image.type !== 'backup') throw unprocessable('Only a backup can be converted into a snapshot.');
    return {
      region: image.regions[0] ?? checkRegion('region', undefined).slug,
      changes: { type: 'snapshot' },
    };
  }
  if (!ask.region) throw invalid('region', 'is missing: it says where to transfer the image.');
  const region = checkRegion('region', ask.region).slug;
  return { region, changes: { regions: [...new Set([...image.regions, region])] } };
}
