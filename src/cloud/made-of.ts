import { EngineError } from '../base/engine-error.ts';
import type { DiskSource } from '../engine/compute/port.ts';

/**
 * Makes something of a disk's source. Where that is missing because another one has just taken its place, nothing is lost: it is
 * made of that one by the next try.
 * @param newest what is to be taken now
 * @throws EngineError `busy` then
 */
export async function madeOf(
  source: DiskSource,
  make: () => Promise<void>,
  newest: () => Promise<DiskSource | undefined>,
): Promise<void> {
  try {
    await make();
  } catch (error) {
    if (!(error instanceof EngineError) || error.kind !== 'missing') throw error;
    const now = await newest();
    if (!now || nameOf(now) === nameOf(source)) throw error;
    throw new EngineError('busy', `${nameOf(source)} was replaced by ${nameOf(now)}`, { cause: error });
  }
}

const nameOf = (source: DiskSource): string => ('image' in source ? source.image : source.snapshot);
