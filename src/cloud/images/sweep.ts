/** What a team's images have in the engine: disk snapshots, and imported images. */
import { type Found, type Inventory, pageSize, pages, type Resource, stateOf } from '../../control/sweep.ts';
import type { Compute } from '../../engine/compute/port.ts';
import { anyOf } from '../../store/any-of.ts';
import type { Store } from '../../store/store.ts';
import { engineNameOf } from './missing.ts';
import { publicName } from './public-images.ts';
import { imageKind } from './reconcile.ts';
import { customName, imageUrn, snapshotName } from './row.ts';

export interface ImageInventoryDeps {
  store: Store;
  compute: Pick<Compute, 'listSnapshots' | 'deleteSnapshot' | 'images' | 'deleteImage'>;
}

/** Stored with what is in quarantine, and shown to the operator. */
export const diskSnapshotKind = 'kept disk';
export const importedImageKind = 'imported image';
export const publicImageKind = 'public image';

/** The id of the image that an URN names; undefined where it names something else. */
export const imageIdOf = (urn: string): number | undefined => {
  const id = /^do:image:(\d{1,15})$/.exec(urn)?.[1];
  return id === undefined ? undefined : Number(id);
};

/** The id of the image that an engine's name of an imported one is of; undefined for images that `up` has built. */
export const customIdOf = (name: string): number | undefined => {
  const id = /^custom-(\d{1,15})(?:-[0-9a-f]{8})?$/.exec(name)?.[1];
  return id === undefined ? undefined : Number(id);
};

/** The disks of snapshots and backups. */
export function diskSnapshotInventory({ store, compute }: ImageInventoryDeps): Inventory {
  return {
    kind: diskSnapshotKind,
    found: async () =>
      (await compute.listSnapshots())
        .filter(({ urn }) => imageIdOf(urn) !== undefined)
        .map(({ urn, name }) => ({ urn, name, remove: () => compute.deleteSnapshot(name) })),
    async rows(found) {
      const ids = found.map(({ urn }) => imageIdOf(urn) ?? 0);
      return new Map((await imagesOf(store, ids)).map((row) => [snapshotName(row), stateOf(row)]));
    },
    async *outOfStep(found) {
      yield* unsettled(store);
      yield* lost(store, found, ['snapshot', 'backup']);
    },
  };
}

/** Images that were imported from an address. */
export function importedImageInventory({ store, compute }: ImageInventoryDeps): Inventory {
  return {
    kind: importedImageKind,
    found: async () =>
      (await compute.images()).flatMap((name) => {
        const id = customIdOf(name);
        return id === undefined ? [] : [{ urn: imageUrn(id), name, remove: () => compute.deleteImage(name) }];
      }),
    async rows(found) {
      const ids = found.map(({ name }) => customIdOf(name) ?? 0);
      return new Map((await imagesOf(store, ids)).map((row) => [customName(row), stateOf(row)]));
    },
    outOfStep: (found) => lost(store, found, ['custom']),
  };
}

/** The id of the public image that an engine's name is of a build of; undefined where it is of something else. */
export const publicIdOf = (name: string): number | undefined => {
  const id = /^public-(\d{1,15})-[0-9a-f]{8}$/.exec(name)?.[1];
  return id === undefined ? undefined : Number(id);
};

/** Images that the operator has added under a public slug. */
export function publicImageInventory({ store, compute }: ImageInventoryDeps): Inventory {
  return {
    kind: publicImageKind,
    found: async () =>
      (await compute.images()).flatMap((name) => {
        const id = publicIdOf(name);
        return id === undefined ? [] : [{ urn: imageUrn(id), name, remove: () => compute.deleteImage(name) }];
      }),
    async rows(found) {
      const ids = found.map(({ name }) => publicIdOf(name) ?? 0);
      const rows = await store.db
        .selectFrom('public_images')
        .select(['id', 'nonce', 'gone_at'])
        .where(anyOf('id', ids))
        .execute();
      return new Map(rows.map((row) => [publicName(row), stateOf(row)]));
    },
  };
}

const imagesOf = ({ db }: Store, ids: number[]) =>
  db.selectFrom('images').select(['id', 'nonce', 'gone_at']).where(anyOf('id', ids)).execute();

/** Available images of these types that were not found, or are known as missing. */
async function* lost(
  { db }: Store,
  found: readonly Found[],
  types: readonly string[],
): AsyncGenerator<Resource> {
  const names = new Set(found.map(({ name }) => name));
  const rows = pages((after: number | undefined) =>
    db
      .selectFrom('images')
      .select(['id', 'nonce', 'type', 'missing_at'])
      .where('gone_at', 'is', null)
      .where('deleted_at', 'is', null)
      .where('status', '=', 'available')
      .where(anyOf('type', types))
      .where('id', '>', after ?? 0)
      .orderBy('id')
      .limit(pageSize)
      .execute(),
  );
  for await (const row of rows)
    if (row.missing_at || !names.has(engineNameOf(row))) yield { kind: imageKind, id: String(row.id) };
}

/** Images that are deleted and not gone, or still to be imported. */
async function* unsettled({ db }: Store): AsyncGenerator<Resource> {
  const rows = pages((after: number | undefined) =>
    db
      .selectFrom('images')
      .select(['id', 'type', 'status', 'deleted_at'])
      .where('gone_at', 'is', null)
      .where('id', '>', after ?? 0)
      .orderBy('id')
      .limit(pageSize)
      .execute(),
  );
  for await (const { id, type, status, deleted_at } of rows) {
    const importing = type === 'custom' && (status === 'NEW' || status === 'pending');
    if (deleted_at || importing) yield { kind: imageKind, id: String(id) };
  }
}
