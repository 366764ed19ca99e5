/** `atoll image list`: the public images that this Atoll has besides its catalogue's names. */
import { systemClock } from '../base/clock.ts';
import { dropletsByImage } from '../cloud/droplets/index.ts';
import { addedImages, engineImageOf, images } from '../cloud/images/index.ts';
import type { Config } from '../config.ts';
import { openEngines } from '../engines.ts';
import { withStore } from './database.ts';

export interface ListedImage {
  slug: string;
  id: number;
  distribution: string;
  name: string;
  /** How it came: `up` built it, or what it was added by. */
  from: 'up' | 'suite' | 'url' | 'file' | 'simulated';
  source: string;
  /** Unpacked; null: not known. */
  bytes: number | null;
  addedAt: Date | null;
  droplets: number;
  /** Whether the engine has it; null: it does not answer. */
  held: boolean | null;
}

/** Those that `up` has built, then those that were added, by slug. */
export async function listImages(home: string, config: Config): Promise<ListedImage[]> {
  const held = await heldImages(home, config);
  return withStore(home, config, async ({ db }) => {
    const [rows, droplets] = await Promise.all([addedImages(db), dropletsByImage(db)]);
    const built = images.flatMap(({ slug, id, distribution, name, built: made }) =>
      made && config.mode === 'real' && held?.includes(made.engineImage) !== false
        ? [
            {
              slug,
              id,
              distribution,
              name,
              from: 'up' as const,
              source: '',
              addedAt: null,
              bytes: made.gigabytes * 1024 ** 3,
              droplets: droplets.get(id) ?? 0,
              held: held && true,
            },
          ]
        : [],
    );
    const added = rows.map((row) => ({
      slug: row.slug,
      id: row.id,
      distribution: row.distribution,
      name: row.name,
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the table's check says so
      from: row.origin as ListedImage['from'],
      source: row.source,
      bytes: row.bytes,
      addedAt: row.ready_at,
      droplets: droplets.get(row.id) ?? 0,
      held: row.origin === 'simulated' ? true : held && held.includes(engineImageOf(row)),
    }));
    return [...built, ...added];
  });
}

/** The engine's images; null where it does not answer. A simulated one is asked by nobody but its control plane. */
async function heldImages(home: string, config: Config): Promise<string[] | null> {
  if (config.mode === 'simulated') return null;
  const engines = await openEngines(home, config, systemClock);
  try {
    return await engines.compute.images().catch(() => null);
  } finally {
    await engines.close();
  }
}

/** A table for a person. */
export function formatImages(listed: readonly ListedImage[]): string {
  const rows = [
    ['SLUG', 'ID', 'IMAGE', 'FROM', 'SIZE', 'ADDED', 'DROPLETS'],
    ...listed.map((image) => [
      image.slug,
      String(image.id),
      image.distribution === 'Unknown' ? image.name : `${image.distribution} ${image.name}`,
      `${image.from}${image.source && ` (${image.source})`}`,
      image.bytes === null ? '-' : `${(image.bytes / 1024 ** 3).toFixed(2)} GiB`,
      image.addedAt ? image.addedAt.toISOString().slice(0, 16).replace('T', ' ') : '-',
      `${image.droplets}${image.held === false ? '  missing in Incus: add it again' : ''}`,
    ]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths?.[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
