import { pageSize } from '../../control/sweep.ts';
import { hasNoRoom, reserveForAll } from '../hosts/index.ts';
import type { EngineDeps } from '../product.ts';
import { takenOfHost, volumeUrn } from './row.ts';

/** Reserves for the volumes that were made before there were hosts. */
export const roomForVolumes = ({ store }: EngineDeps): Promise<void> =>
  reserveForAll(store, async (tx) => {
    const rows = await tx
      .selectFrom('volumes')
      .select(['id', 'size_gib'])
      .where('gone_at', 'is', null)
      .where(({ ref }) => hasNoRoom('volume', ref('volumes.id')))
      .limit(pageSize)
      .forNoKeyUpdate()
      .execute();
    return rows.map(({ id, size_gib }) => ({ urn: volumeUrn(id), ...takenOfHost(size_gib) }));
  });
