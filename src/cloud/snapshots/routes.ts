import { Type } from 'typebox';
import { notFound } from '../../http/errors.ts';
import { listOperation } from '../../http/list.ts';
import { type Operation, operation } from '../../http/operation.ts';
import { SnapshotSchema } from '../volumes/index.ts';
import { checkIsSnapshot, deleteSnapshot, type SnapshotsDeps } from './delete.ts';
import { listSnapshots } from './list.ts';

const params = Type.Object({ snapshot_id: Type.String({ minLength: 1 }) });

/** Snapshots of droplets and volumes alike: list, get, delete. */
export function snapshotsOperations(deps: SnapshotsDeps): Operation[] {
  const { store } = deps;
  return [
    listOperation({
      id: 'snapshots_list',
      path: '/v2/snapshots',
      summary: 'List all snapshots, or those of droplets or of volumes',
      scopes: ['snapshot:read'],
      filters: {
        resource_type: Type.Optional(Type.Enum(['droplet', 'volume'])),
        // Not published, but sent by godo's ListVolumeSnapshotByRegion.
        region: Type.Optional(Type.String()),
      },
      key: 'snapshots',
      item: SnapshotSchema,
      list: ({ caller: { teamId }, query: { resource_type: type, region } }, page) =>
        listSnapshots(store.db, { teamId, type, region }, page),
    }),
    operation({
      id: 'snapshots_get',
      method: 'GET',
      path: '/v2/snapshots/{snapshot_id}',
      summary: 'Get a snapshot',
      scopes: ['snapshot:read', 'block_storage_snapshot:read'],
      params,
      status: 200,
      response: Type.Object({ snapshot: SnapshotSchema }),
      async handler({ caller, params: { snapshot_id: id } }) {
        const filter = { teamId: caller.teamId, id: id.toLowerCase() };
        const { rows } = await listSnapshots(store.db, filter, { limit: 1, offset: 0 });
        if (!rows[0]) {
          await checkIsSnapshot(store.db, caller, id);
          throw notFound();
        }
        return { snapshot: rows[0] };
      },
    }),
    operation({
      id: 'snapshots_delete',
      method: 'DELETE',
      path: '/v2/snapshots/{snapshot_id}',
      summary: 'Delete a snapshot',
      scopes: ['image:delete', 'snapshot:delete'],
      params,
      status: 204,
      handler: ({ caller, id, params: { snapshot_id } }) =>
        deleteSnapshot(deps, { caller, id, operation: 'snapshots_delete' }, snapshot_id),
    }),
  ];
}
