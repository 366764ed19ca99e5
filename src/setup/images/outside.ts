import { CommandError } from '../command.ts';

/**
 * Whether a build has failed by what the mirror has, or does not: what mmdebstrap (which setpriv starts) or APT has said. A
 * disk that is full is no fault of a mirror's.
 */
export const isOutside = (error: unknown): boolean =>
  error instanceof CommandError &&
  /^(setpriv|apt-get) /.test(error.message) &&
  !/no space left|enough free space/i.test(error.message);
