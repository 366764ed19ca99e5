/** What volumes have on the host: their bytes, and those of their snapshots. */
import { sql } from 'kysely';
import { type Inventory, pageSize, pages, type Resource, stateOf } from '../../control/sweep.ts';
import type { Host } from '../../engine/host/port.ts';
import type { Store } from '../../store/store.ts';
import { volumeUrn } from './row.ts';
import { volumeSnapshotUrn } from './snapshot-row.ts';
import { volumeKind, volumeSnapshotKind } from './wanted.ts';

export interface VolumeInventoryDeps {
  store: Store;
  host: Pick<Host, 'volumes' | 'deleteVolume' | 'deleteVolumeSnapshot'>;
}

export const bytesKind = 'volume';
export const snapshotBytesKind = 'volume snapshot';

/** The bytes of volumes, and the volumes whose bytes are missing or too small, or that are deleted and not gone. */
export function volumeInventory({ store, host }: VolumeInventoryDeps): Inventory {
  /** As the last `found` saw them, GiB. */
  let sizes = new Map<string, number>();

  async function* outOfStep(): AsyncGenerator<Resource> {
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
    async found() {
      const { volumes } = await host.volumes();
      sizes = new Map(volumes.map(({ id, sizeGib }) => [id, sizeGib]));
      return volumes.map(({ id }) => ({ urn: volumeUrn(id), name: id, remove: () => host.deleteVolume(id) }));
    },
    async rows(found) {
      const rows = await store.db
        .selectFrom('volumes')
        .select(['id', 'gone_at'])
        .where('id', '=', sql<string>`any(${found.map(({ name }) => name)}::uuid[])`)
        .execute();
      return new Map(rows.map((row) => [row.id, stateOf(row)]));
    },
    outOfStep,
  };
}

/** The bytes of volumes' snapshots, and the snapshots that are still to be taken, missing, or deleted and not gone. */
export function volumeSnapshotInventory({ store, host }: VolumeInventoryDeps): Inventory {
  /** As the last `found` saw them. */
  let kept = new Set<string>();

  async function* outOfStep(): AsyncGenerator<Resource> {
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
    async found() {
      const { snapshots } = await host.volumes();
      kept = new Set(snapshots);
      return snapshots.map((id) => ({
        urn: volumeSnapshotUrn(id),
        name: id,
        remove: () => host.deleteVolumeSnapshot(id),
      }));
    },
    async rows(found) {
      const rows = await store.db
        .selectFrom('volume_snapshots')
        .select(['id', 'gone_at'])
        .where('id', '=', sql<string>`any(${found.map(({ name }) => name)}::uuid[])`)
        .execute();
      return new Map(rows.map((row) => [row.id, stateOf(row)]));
    },
    outOfStep,
  };
}
