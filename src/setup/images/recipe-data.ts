import type { ImageFile } from './files.ts';

/** A recipe as it stands in recipes/, before it is known where the machine gets Debian from. */
export interface RecipeData {
  name: string;
  /** Debian's. */
  version: string;
  codename: string;
  packages: string[];
  files: ImageFile[];
  /** What is added to files of the packages. */
  appended: Pick<ImageFile, 'path' | 'content'>[];
  /** systemd units. */
  enable: string[];
  mask: string[];
  /** Paths that no package brings, as dpkg's `path-exclude` has them; with `!` before it, one that they do bring. */
  excluded?: string[];
  /** Other suites that packages may be taken of, at this priority (apt_preferences(5)). */
  alsoOf?: { codename: string; priority: number }[];
  /** Files that must be there before any package is unpacked. */
  before?: ImageFile[];
  /** Commands that are run inside at the end. */
  run?: string[][];
}
