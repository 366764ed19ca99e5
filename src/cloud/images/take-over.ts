import { moveSequence } from '../../store/sequences.ts';
import { customIdOf, type ImageInventoryDeps, imageIdOf, publicIdOf } from './sweep.ts';

/** The first id of `public_image_ids`, see 023_public_images.sql: those below are the catalogue's. */
const firstPublicId = 900_000_001;

/**
 * Ids go on above those of all images that the engine holds: a restored dump may be older than they are.
 */
export async function continueImages({ store, compute }: ImageInventoryDeps): Promise<void> {
  const [snapshots, names] = await Promise.all([compute.listSnapshots(), compute.images()]);
  const ids = [
    ...snapshots.flatMap(({ urn }) => imageIdOf(urn) ?? []),
    ...names.flatMap((name) => customIdOf(name) ?? []),
  ];
  await moveSequence(store.db, 'images_id_seq', Math.max(0, ...ids));
  const added = names.flatMap((name) => publicIdOf(name) ?? []).filter((id) => id >= firstPublicId);
  if (added.length > 0) await moveSequence(store.db, 'public_image_ids', Math.max(...added));
}
