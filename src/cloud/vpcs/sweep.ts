/** What VPCs have in the engine: a network each. */
import type { Inventory } from '../../control/sweep.ts';
import type { Compute } from '../../engine/compute/port.ts';
import { anyOf } from '../../store/any-of.ts';
import type { Store } from '../../store/store.ts';

export interface VpcInventoryDeps {
  store: Store;
  compute: Pick<Compute, 'networks' | 'deleteNetwork'>;
}

export function vpcNetworkInventory({ store, compute }: VpcInventoryDeps): Inventory {
  return {
    kind: 'VPC network',
    found: async () =>
      (await compute.networks()).map((id) => ({
        urn: `do:vpc:${id}`,
        name: id,
        remove: () => compute.deleteNetwork(id),
      })),
    async rows(found) {
      const rows = await store.db
        .selectFrom('vpcs')
        .select('id')
        .where(
          anyOf(
            'id',
            found.map(({ name }) => name),
          ),
        )
        .execute();
      return new Map(rows.map(({ id }) => [id, 'here' as const]));
    },
  };
}
