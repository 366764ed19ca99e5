export { type Image, images, resolveImage } from './catalogue.ts';
export { type MissingImage, missingImages } from './missing.ts';
export { type ImagesOfDroplet, imagesOf, isImageOf } from './of-droplet.ts';
export { type ImageReconcilerOptions, imageKind, imageReconciler, importLimits } from './reconcile.ts';
export { type ImagesDeps, imagesOperations } from './routes.ts';
export { findOwnImage, imageUrn } from './row.ts';
export {
  abandonSaves,
  deleteImages,
  finishSave,
  type NewSavedImage,
  newSavedImage,
  savedDisk,
  savingImage,
} from './saved.ts';
export {
  diskSource,
  engineImageFor,
  type ImageHost,
  type OrderedImage,
  orderImage,
  simulatedImages,
} from './source.ts';
export { importedImageInventory, keptDiskInventory } from './sweep.ts';
export { imageTaggable } from './taggable.ts';
export { continueImages } from './take-over.ts';
export { transferReconciler } from './transfer-letter.ts';
export { ImageSchema, type ImageView, imageView, imageViews } from './view.ts';
