/** What volumes have on the host: their bytes, and those of their snapshots. */
import { type Found, type Inventory, pageSize, pages, type Resource, stateOf } from '../../control/sweep.ts';
import type { Host } from '../../engine/node/port.ts';
import { anyOf } from '../../store/any-of.ts';
import type { Store } from '../../store/store.ts';
import { volumeKind, volumeSnapshotKind } from './kinds.ts';
import { volumeUrn } from './row.ts';
import { volumeSnapshotUrn } from './snapshot-row.ts';

export interface VolumeInventoryDeps {
  store: Store;
  host: Pick<Host, 'volumes' | 'deleteVolume' | 'deleteVolumeSnapshot'>;
}

export const bytesKind = 'volume';
export const snapshotBytesKind = 'volume snapshot';

interface VolumeBytes extends Found {
  sizeGib: number;
}

/** The bytes of volumes, and the volumes whose bytes are missing or too small, or that are deleted and not gone. */
export function volumeInventory({ store, host }: VolumeInventoryDeps): Inventory<VolumeBytes> {
  async function* outOfStep(found: readonly VolumeBytes[]): AsyncGenerator<Resource> {
    const sizes = new Map(found.map(({ name, sizeGib }) => [name, sizeGib]));
    const rows = pages((after: string | undefined) =>
      store.db
        .selectFrom('volumes')
        .select(['id', 'size_gib', 'missing_at', 'deleted_at'])
        .where('gone_at', 'is', null)
        .$if(after !== undefined, (query) => query.where('id', '>', after ?? ''))
        .orderBy('id')
        .limit(pageSize)
        .execute(),
    );
    for await (const { id, size_gib, missing_at, deleted_at } of rows)
      if (deleted_at || missing_at || (sizes.get(id) ?? 0) < size_gib) yield { kind: volumeKind, id };
  }

  return {
    kind: bytesKind,
    unmistakable: true,
    found: async () =>
      (await host.volumes()).volumes.map(({ id, sizeGib }) => ({
        urn: volumeUrn(id),
        name: id,
        sizeGib,
        remove: () => host.deleteVolume(id),
      })),
    async rows(found) {
      const rows = await store.db
        .selectFrom('volumes')
        .select(['id', 'gone_at'])
        .where(
          anyOf(
            'id',
            found.map(({ name }) => name),
          ),
        )
        .execute();
      return new Map(rows.map((row) => [row.id, stateOf(row)]));
    },
    outOfStep,
  };
}

/** The bytes of volumes' snapshots, and the snapshots that are still to be taken, missing, or deleted and not gone. */
export function volumeSnapshotInventory({ store, host }: VolumeInventoryDeps): Inventory {
  async function* outOfStep(found: readonly Found[]): AsyncGenerator<Resource> {
    const kept = new Set(found.map(({ name }) => name));
    const rows = pages((after: string | undefined) =>
      store.db
        .selectFrom('volume_snapshots')
        .select(['id', 'status', 'missing_at', 'deleted_at'])
        .where('gone_at', 'is', null)
        .$if(after !== undefined, (query) => query.where('id', '>', after ?? ''))
        .orderBy('id')
        .limit(pageSize)
        .execute(),
    );
    for await (const { id, status, missing_at, deleted_at } of rows)
      if (deleted_at || missing_at || status === 'pending' || !kept.has(id))
        yield { kind: volumeSnapshotKind, id };
  }

  return {
    kind: snapshotBytesKind,
    unmistakable: true,
    found: async () =>
      (await host.volumes()).snapshots.map((id) => ({
        urn: volumeSnapshotUrn(id),
        name: id,
        remove: () => host.deleteVolumeSnapshot(id),
      })),
    async rows(found) {
      const rows = await store.db
        .selectFrom('volume_snapshots')
        .select(['id', 'gone_at'])
        .where(
          anyOf(
            'id',
            found.map(({ name }) => name),
          ),
        )
        .execute();
      return new Map(rows.map((row) => [row.id, stateOf(row)]));
    },
    outOfStep,
  };
}
