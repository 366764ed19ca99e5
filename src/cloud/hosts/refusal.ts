import { type ApiError, unprocessable } from '../../http/errors.ts';
import type { Lack, Resource } from './placement.ts';

/** What is lacked, and what to do about it. */
const wording: Record<Resource, { unit: string; what: string; of: string; remedy: string }> = {
  'shared memory': {
    unit: 'MiB',
    what: 'of memory',
    of: 'memory',
    remedy: 'Destroy what is not needed, or order a smaller size.',
  },
  'dedicated memory': {
    unit: 'MiB',
    what: 'of memory of its own',
    of: 'memory',
    remedy: 'Destroy what is not needed, or order a smaller size.',
  },
  disk: {
    unit: 'GiB',
    what: 'of disk',
    of: 'storage pool',
    remedy: 'Destroy what is not needed, or order a size with a smaller disk.',
  },
  volumes: {
    unit: 'GiB',
    what: 'for volumes',
    of: 'disk',
    remedy: 'Delete volumes that are not needed, or order a smaller one.',
  },
};

const operator = 'The operator finds the figures in: ./atoll status';

/**
 * The answer to what has no room: 422 with the figures of the host that comes first. Empty `lacks`: no such region.
 * @param placed how many things of the same order have room before it
 */
export function noRoom([first]: readonly Lack[], placed = 0): ApiError {
  if (!first) return unprocessable('No host serves this region. Order in another one.');
  const few = placed > 0 ? `There is room for ${placed} of these only, and not for one more` : undefined;
  return unprocessable(`${few ?? 'There is no room for this'}: ${sentence(first)} ${operator}`);
}

function sentence(lack: Lack): string {
  if ('kept' in lack) {
    const [place, remedy] =
      lack.of === 'pool now'
        ? ['storage pool', 'Delete snapshots and Droplets that are not needed.']
        : ['disk with the volumes', 'Delete volumes and their snapshots that are not needed.'];
    return `the ${place} of host ${lack.host} has ${whole(lack.free)} GiB free of ${whole(lack.total)} GiB, and ${whole(lack.kept)} GiB are to be kept free. ${remedy}`;
  }
  const { unit, what, of, remedy } = wording[lack.of];
  const times =
    lack.ratio === 1 ? '' : ` (${whole(lack.own)} ${unit} of ${of}, promised up to ${lack.ratio} times)`;
  return `${lack.asked} ${unit} ${what} are needed, but host ${lack.host} has ${whole(Math.max(0, lack.free))} ${unit} left of ${whole(lack.total)} ${unit}${times}. ${remedy}`;
}

/** Rounded down: what is left is never said to be more. */
const whole = (amount: number): string => String(Math.floor(amount));
