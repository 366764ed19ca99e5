import { Type } from 'typebox';
import { notFound } from '../../http/errors.ts';
import { listOperation } from '../../http/list.ts';
import { type Operation, operation } from '../../http/operation.ts';
import type { VolumesDeps } from './context.ts';
import { SnapshotCreate, SnapshotId, SnapshotSchema, VolumeId } from './schema.ts';
import { findSnapshot, snapshotView } from './snapshot-row.ts';
import { createSnapshot, deleteVolumeSnapshot, listSnapshots } from './snapshots.ts';

const OneSnapshot = Type.Object({ snapshot: SnapshotSchema });

/** The snapshots of volumes: of one volume, and by their own id. */
export function snapshotRoutes(deps: VolumesDeps): Operation[] {
  const { store } = deps;
  return [
    listOperation({
      id: 'volumeSnapshots_list',
      path: '/v2/volumes/{volume_id}/snapshots',
      summary: 'List the snapshots of a volume',
      scopes: ['block_storage_snapshot:read'],
      params: VolumeId,
      key: 'snapshots',
      item: SnapshotSchema,
      list: ({ caller, params }, page) => listSnapshots(store.db, caller, params.volume_id, page),
      view: snapshotView,
    }),
    operation({
      id: 'volumeSnapshots_create',
      method: 'POST',
      path: '/v2/volumes/{volume_id}/snapshots',
      summary: 'Take a snapshot of a volume',
      scopes: ['block_storage_snapshot:create'],
      params: VolumeId,
      body: SnapshotCreate,
      status: 201,
      response: OneSnapshot,
      handler: async (request) => ({
        snapshot: snapshotView(await createSnapshot(deps, request, request.params.volume_id)),
      }),
    }),
    operation({
      id: 'volumeSnapshots_get_byId',
      method: 'GET',
      path: '/v2/volumes/snapshots/{snapshot_id}',
      summary: 'Get a snapshot of a volume',
      scopes: ['block_storage_snapshot:read'],
      params: SnapshotId,
      status: 200,
      response: OneSnapshot,
      async handler(request) {
        const row = await findSnapshot(store.db, request.caller, request.params.snapshot_id);
        if (!row) throw notFound();
        return { snapshot: snapshotView(row) };
      },
    }),
    operation({
      id: 'volumeSnapshots_delete_byId',
      method: 'DELETE',
      path: '/v2/volumes/snapshots/{snapshot_id}',
      summary: 'Delete a snapshot of a volume',
      scopes: ['block_storage_snapshot:delete'],
      params: SnapshotId,
      status: 204,
      handler: (request) =>
        deleteVolumeSnapshot(
          deps,
          { ...request, operation: 'volumeSnapshots_delete_byId' },
          request.params.snapshot_id,
        ),
    }),
  ];
}
