/** Why an image cannot be converted, for the person who asked for it: something is wrong with the image itself. */
export class RefusedImage extends Error {
  override readonly name = 'RefusedImage';
}
