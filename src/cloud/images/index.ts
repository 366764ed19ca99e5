export { type Image, images, resolveImage } from './catalogue.ts';
export { type ImagesDeps, imagesOperations } from './routes.ts';
export { engineImageFor, type ImageHost, orderableImage, simulatedImages } from './source.ts';
export { ImageSchema, type ImageView, imageView } from './view.ts';
