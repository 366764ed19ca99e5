/** What to do next about an image of a team's own: pure. */
import type { Selectable } from 'kysely';
import type { Plan } from '../../control/converge.ts';
import type { Imported } from '../../engine/importer/port.ts';
import type { Images } from '../../store/schema.ts';

export type ImageRow = Selectable<Images>;

export interface ObservedImage {
  /** Whether the engine has its bytes; of one that is available. */
  held?: boolean;
  /** It was imported in this run. */
  imported?: Imported;
  /** What the engine has of it was deleted in this run. */
  deleted?: boolean;
}

export type ImageStep = { do: 'import'; url: string } | { do: 'delete' };
/** `not ours`: what becomes of it is another's: the droplet's that it is being taken of. */
export type ImageEnd = 'held' | 'missing' | 'imported' | 'not ours' | 'gone';

export function planImage(
  { deleted_at, status, type, url }: Pick<ImageRow, 'deleted_at' | 'status' | 'type' | 'url'>,
  { held, imported, deleted }: ObservedImage,
): Plan<ImageStep, ImageEnd> {
  if (deleted_at) return deleted ? { settled: 'gone' } : { steps: [{ do: 'delete' }] };
  if (status === 'available') return { settled: held ? 'held' : 'missing' };
  if (type !== 'custom' || url === null || (status !== 'NEW' && status !== 'pending'))
    return { settled: 'not ours' };
  return imported ? { settled: 'imported' } : { steps: [{ do: 'import', url }] };
}
