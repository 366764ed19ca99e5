/** What golden images have in the compute engine: stopped copies, which machines are made of. */
import { type Inventory, type Resource } from '../../control/sweep.ts';
import type { Compute } from '../../engine/compute/port.ts';
import { anyOf } from '../../store/any-of.ts';
import type { Store } from '../../store/store.ts';
import { isPublicImage, parseGoldenName } from './names.ts';
import { goldenKind } from './row.ts';

export interface GoldenInventoryDeps {
  store: Store;
  compute: Pick<Compute, 'listSnapshots' | 'deleteSnapshot' | 'images'>;
}

/** Those of other digests than the row's are left over, and can be made again. */
export function goldenInventory({ store, compute }: GoldenInventoryDeps): Inventory {
  return {
    kind: 'golden image',
    found: async () =>
      (await compute.listSnapshots())
        .filter(({ urn, name }) => urn.startsWith('do:golden:') && parseGoldenName(name))
        .map(({ urn, name }) => ({ urn, name, remove: () => compute.deleteSnapshot(name) })),
    async rows(found) {
      const copies = found.flatMap(({ name }) => {
        const copy = parseGoldenName(name);
        return copy ? [{ engineName: name, ...copy }] : [];
      });
      const rows = await store.db
        .selectFrom('golden_images')
        .select(['name', 'digest', 'wanted'])
        .where(
          anyOf(
            'name',
            copies.map(({ name }) => name),
          ),
        )
        .execute();
      const byName = new Map(rows.map((row) => [row.name, row]));
      return new Map(
        copies.flatMap(({ engineName, name, digest }) => {
          const row = byName.get(name);
          if (!row) return [];
          // Of droplets' own images a copy is made in passing only.
          const kept = !isPublicImage(name) && (digest === row.digest || digest === row.wanted);
          return [[engineName, kept ? 'here' : 'gone'] as const];
        }),
      );
    },
    async *outOfStep(found): AsyncGenerator<Resource> {
      const rows = await store.db
        .selectFrom('golden_images')
        .select(['name', 'digest'])
        .where('digest', 'is not', null)
        .execute();
      const names = new Set(found.map(({ name }) => parseGoldenName(name)?.digest));
      const images = rows.some(({ name }) => isPublicImage(name)) ? await compute.images() : [];
      for (const { name, digest } of rows)
        if (isPublicImage(name) ? !images.includes(name) : !names.has(digest ?? ''))
          yield { kind: goldenKind, id: name };
    },
  };
}
