/**
 * The importer port: fetches the disk image of an operating system from an address on the internet and makes of it
 * what the compute engine takes in.
 */

/** Why an image cannot be imported: `message` is for the person who asked, and says what is wrong with the image. */
export class Unimportable extends Error {
  override readonly name = 'Unimportable';
}

export interface ImportLimits {
  /** Of the download and, each, of what it unpacks to. */
  maxBytes: number;
  /** Of the whole import, ms. */
  timeoutMs: number;
}

export interface Imported {
  /** The smallest disk that holds it, GiB. */
  minDiskGib: number;
  /** What it takes, in bytes. */
  bytes: number;
}

export interface Importer {
  /**
   * Makes the image at `url` one of the compute engine's, under `name`; one of that name is replaced. Called again
   * after a crash it begins anew. Leaves nothing behind but the image.
   * @throws Unimportable for good; EngineError where another try may help
   */
  import(
    url: string,
    options: { name: string; signal: AbortSignal; limits: ImportLimits },
  ): Promise<Imported>;
}
