import type { Product } from '../product.ts';
import { missingImages } from './missing.ts';
import { imageReconciler } from './reconcile.ts';
import { imagesOperations } from './routes.ts';
import { diskSnapshotInventory, importedImageInventory, publicImageInventory } from './sweep.ts';
import { imageTaggable } from './taggable.ts';
import { continueImages } from './take-over.ts';
import { transferReconciler } from './transfer-letter.ts';

export {
  abandonBuilds,
  addedImages,
  type Build,
  beginBuild,
  catalogueImage,
  finishBuild,
  type Origin,
  whyNotAdded,
  withdrawImage,
} from './added.ts';
export { type Image, images, resolveImage } from './catalogue.ts';
export { type EngineImages, engineImages } from './engine-images.ts';
export { type ImagesOfDroplet, imagesOf, isImageOf } from './of-droplet.ts';
export { engineImageOf, type PublicImageRow, publicImagePrefix } from './public-images.ts';
export { imageKind, importLimits } from './reconcile.ts';
export { findOwnImage, imageUrn } from './row.ts';
export { distributionOf } from './schema.ts';
export {
  abandonSnapshots,
  deleteImages,
  engineSnapshot,
  finishSnapshot,
  insertSnapshot,
  type NewSnapshot,
  newSnapshot,
  snapshotsOf,
} from './snapshots.ts';
export {
  diskSource,
  engineImageFor,
  type OrderedImage,
  orderImage,
  simulatedImages,
} from './source.ts';
export { ImageSchema, type ImageView, imageView, imageViews } from './view.ts';

export const product: Product = {
  operations: ({ context, ...deps }) => imagesOperations({ ...deps, imageHost: context.imageHost }),
  reconcilers: (deps) => [imageReconciler(deps), transferReconciler(deps)],
  inventories: (deps) => [
    diskSnapshotInventory(deps),
    importedImageInventory(deps),
    publicImageInventory(deps),
  ],
  taggable: { image: imageTaggable },
  takeOver: continueImages,
  missingBytes: missingImages,
};
