import { moveSequence } from '../../store/sequences.ts';
import { customIdOf, type ImageInventoryDeps, imageIdOf } from './sweep.ts';

/** Ids go on above those of all images that the engine holds: a restored dump may be older than they are. */
export async function continueImages({ store, compute }: ImageInventoryDeps): Promise<void> {
  const [snapshots, names] = await Promise.all([compute.listSnapshots(), compute.images()]);
  const ids = [
    ...snapshots.flatMap(({ urn }) => imageIdOf(urn) ?? []),
    ...names.flatMap((name) => customIdOf(name) ?? []),
  ];
  await moveSequence(store.db, 'images_id_seq', Math.max(0, ...ids));
}
