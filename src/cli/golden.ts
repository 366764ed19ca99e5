/** Images of products, as the operator asks for them and sees them. */
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../base/clock.ts';
import { askGolden, type GoldenRow, goldenImages, sourceOf, unaskGolden } from '../cloud/golden/index.ts';
import { type RecipeName, servedBy } from '../setup/images/recipe.ts';
import type { Store } from '../store/store.ts';
import { usageError } from './command.ts';
import { formatDuration, type Steps, together } from './steps.ts';

/** How often it is looked how far a build is, ms. */
const lookMs = 500;

/** `--with balancers,databases`: the images that these stand for. */
export function parseProducts(option: string, text: string): RecipeName[] {
  const names = text.split(',').map((name) => name.trim());
  return [...new Set(names)].map((name) => {
    const image = Object.hasOwn(servedBy, name) ? servedBy[name] : undefined;
    if (image) return image;
    throw usageError(
      `--${option} ${name}: choose of ${Object.keys(servedBy).join(', ')}, with commas between`,
    );
  });
}

/** Has images made ahead, and shows how far they are until all are there. Throws where one cannot be made. */
export async function bringImages(store: Store, names: readonly string[], { step }: Steps): Promise<void> {
  await store.transaction((tx) => askGolden(tx, names, systemClock.now()));
  await together(
    names.map((name) =>
      step(`image ${name}`, async (note) => {
        for (;;) {
          const row = (await goldenImages(store.db)).find((each) => each.name === name);
          if (!row) throw new Error(`the database has forgotten the image ${name}`);
          const now = sourceOf(row, systemClock.now());
          if ('failed' in now) throw new Error(now.failed);
          if ('source' in now) return row.phase === 'ready' ? sizeText(row) : `there; ${textOf(row)}`;
          note(now.waiting.replace(`the image ${name} is `, ''));
          await delay(lookMs);
        }
      }),
    ),
  );
}

/** No longer keeps images that nothing needs. */
export async function releaseImages(store: Store, names: readonly string[]): Promise<void> {
  await store.transaction((tx) => unaskGolden(tx, names, systemClock.now()));
}

const sizeText = ({ bytes }: GoldenRow): string => `${Math.round((bytes ?? 0) / 1e6)} MB`;

/** What is done about an image, in a few words. */
function textOf({ phase, message, since }: GoldenRow): string {
  const age = formatDuration(Math.max(0, Date.now() - since.getTime()));
  switch (phase) {
    case 'building':
      return `a newer one is being built: ${message || 'starting'}, for ${age}`;
    case 'failed':
      return `a newer one could not be built, ${age} ago: ${message}`;
    default:
      return `a newer one is ${phase}`;
  }
}

/** A line for each image that is wanted or there. */
export function goldenLines(rows: readonly GoldenRow[]): string[] {
  return rows
    .filter(({ phase, asked }) => phase !== 'unused' || asked)
    .map((row) => {
      const source = sourceOf(row, new Date());
      const line = (mark: string, text: string) => `  ${mark} image ${row.name.padEnd(12)}${text}`;
      if ('waiting' in source) return line('…', source.waiting.replace(`the image ${row.name} is `, ''));
      if ('failed' in source) return line('✗', `could not be made: ${row.message}`);
      const built = row.built_at ? `, built ${row.built_at.toISOString().slice(0, 10)}` : '';
      const newer = row.phase === 'ready' ? '' : `; ${textOf(row)}`;
      return line('✓', `${sizeText(row)}${built}, ${source.digest}${newer}`);
    });
}
