/** What golden images have in the compute engine: stopped copies, which machines are made of. */
import { type Found, type Inventory, type Resource } from '../../control/sweep.ts';
import type { Compute } from '../../engine/compute/port.ts';
import { anyOf } from '../../store/any-of.ts';
import type { Store } from '../../store/store.ts';
import { goldenUrn, isPublicImage, parseGoldenName } from './names.ts';
import { goldenKind } from './row.ts';

export interface GoldenInventoryDeps {
  store: Store;
  compute: Pick<Compute, 'listSnapshots' | 'deleteSnapshot' | 'images' | 'deleteImage'>;
}

interface GoldenCopy extends Found {
  /** False: its making was begun, and is under way or has died. */
  complete: boolean;
}

/** Those of other digests than the row's are left over, and can be made again. */
export function goldenInventory({ store, compute }: GoldenInventoryDeps): Inventory<GoldenCopy> {
  const copy = (name: string, urn: string, complete: boolean): GoldenCopy => ({
    urn,
    name,
    complete,
    async remove() {
      await compute.deleteSnapshot(name);
      await compute.deleteImage(name);
    },
  });
  return {
    kind: 'golden image',
    async found() {
      const [snapshots, images] = await Promise.all([compute.listSnapshots(), compute.images()]);
      const copies = snapshots
        .filter(({ urn, name }) => urn.startsWith('do:golden:') && parseGoldenName(name))
        .map(({ urn, name }) => copy(name, urn, true));
      const names = new Set(copies.map(({ name }) => name));
      // As long as a copy is not complete, the engine has the image that it is unpacked from, under its name.
      const begun = images.flatMap((name) => {
        const of = parseGoldenName(name)?.name;
        return of === undefined || names.has(name) ? [] : [copy(name, goldenUrn(of), false)];
      });
      return [...copies, ...begun];
    },
    async rows(found) {
      const copies = found.flatMap(({ name }) => {
        const copy = parseGoldenName(name);
        return copy ? [{ engineName: name, ...copy }] : [];
      });
      const rows = await store.db
        .selectFrom('golden_images')
        .select(['name', 'digest', 'wanted', 'phase'])
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
          const kept = isPublicImage(name)
            ? row.phase === 'unpacking' && digest === row.wanted
            : digest === row.digest || digest === row.wanted;
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
      const whole = found.filter(({ complete }) => complete);
      const names = new Set(whole.map(({ name }) => parseGoldenName(name)?.digest));
      const images = rows.some(({ name }) => isPublicImage(name)) ? await compute.images() : [];
      for (const { name, digest } of rows)
        if (isPublicImage(name) ? !images.includes(name) : !names.has(digest ?? ''))
          yield { kind: goldenKind, id: name };
    },
  };
}
