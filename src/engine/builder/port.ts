/**
 * The builder port: makes images by the recipes of src/setup/images/recipes, of the Debian mirror of the machine that it
 * runs on. What it has built is the machine's, and serves all Atolls of it.
 * Every method throws `EngineError` and nothing else.
 */

/** What there is of a recipe's image on the machine. */
export type Build =
  | { state: 'absent' }
  /** `step`: what it is busy with, for a person. */
  | { state: 'building'; step: string }
  | ({ state: 'ready' } & Built)
  /** `message`: for a person; says what to do. */
  | { state: 'failed'; message: string };

export interface Built {
  /** Tells builds apart: of the recipe and of the versions of all packages. */
  digest: string;
  /** A unified image tarball on this machine, for the compute engine to take in. */
  file: string;
  /** What it takes when it is unpacked. */
  bytes: number;
  builtAt: Date;
}

export interface Builder {
  /** What there is now. Of one that is ready this counts as a use: what has not been used for long is removed. */
  look(name: string): Promise<Build>;
  /**
   * Begins to build, unless that is under way, or there is one already other than the build `instead`. One build at a time
   * on a machine: others stand in line.
   */
  build(name: string, instead?: string): Promise<Build>;
  /** The packages, as `name old → new`, that the mirror has newer ones of than a build has; takes a while. */
  updates(name: string, signal: AbortSignal): Promise<string[]>;
}
