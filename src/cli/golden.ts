/** Images of products, as the operator asks for them and sees them. */
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../base/clock.ts';
import { askGolden, type GoldenRow, sourceOf, unaskGolden } from '../cloud/golden/index.ts';
import { type RecipeName, servedBy } from '../setup/images/recipe.ts';
import type { Store } from '../store/store.ts';
import { usageError } from './command.ts';
import { formatDuration, type Note, type Steps, together } from './steps.ts';

/** How often it is looked how far a build is, ms. */
const lookMs = 500;

/** How long what builds may be away (another `up` restarts it) before nobody waits for it any more, ms. */
const awayMs = 60_000;

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

/** Has images made ahead. */
export async function askForImages(store: Store, names: readonly string[]): Promise<void> {
  await store.transaction((tx) => askGolden(tx, names, systemClock.now()));
}

/** How a wait looks at the world. */
export interface Watch {
  /** The images as the database has them; rejects where that does not answer. */
  look(): Promise<readonly GoldenRow[]>;
  /** Whether all processes run that a build takes. */
  atWork(): boolean;
  /** The command that starts them again. */
  remedy: string;
  now?: () => Date;
  pause?: (ms: number) => Promise<unknown>;
}

/**
 * Shows how far images are until all are there. Holds no lock: meanwhile other commands do what they are called for.
 * @throws Error where one cannot be made, or nobody is at it any more
 */
export async function awaitImages(
  names: readonly string[],
  { step }: Steps,
  { look, atWork, remedy, now = () => systemClock.now(), pause = delay }: Watch,
): Promise<void> {
  const image = async (name: string, note: Note) => {
    let seen = now();
    for (;;) {
      const rows = atWork() ? await look().catch(() => undefined) : undefined;
      if (rows) {
        seen = now();
        const row = rows.find((each) => each.name === name);
        if (!row) throw new Error(`the database has forgotten the image ${name}`);
        const state = sourceOf(row, seen);
        if ('failed' in state) throw new Error(state.failed);
        if ('source' in state) return row.phase === 'ready' ? sizeText(row) : `there; ${textOf(row)}`;
        note(state.waiting.replace(`the image ${name} is `, ''));
      } else if (now().getTime() - seen.getTime() >= awayMs) {
        throw new Error(
          `The image ${name} is not being built: this Atoll was stopped, or has ended. ${remedy}`,
        );
      } else note('waits until this Atoll runs again');
      await pause(lookMs);
    }
  };
  await together(names.map((name) => step(`image ${name}`, (note) => image(name, note))));
}

/** No longer keeps images that nothing needs. */
export async function releaseImages(store: Store, names: readonly string[]): Promise<void> {
  await store.transaction((tx) => unaskGolden(tx, names, systemClock.now()));
}

const sizeText = ({ bytes }: GoldenRow): string =>
  bytes === null ? 'there' : `${Math.round(bytes / 1e6)} MB`;

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

/** An image as `status --json` prints it; `bytes`: what it takes when it is unpacked. */
export const goldenReport = (row: GoldenRow) => ({
  name: row.name,
  phase: row.phase,
  message: row.message,
  since: row.since,
  asked: row.asked,
  usedAt: row.used_at,
  digest: row.digest,
  builtAt: row.built_at,
  bytes: row.bytes,
  checkedAt: row.checked_at,
  tries: row.tries,
  retryAt: row.retry_at,
});

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
