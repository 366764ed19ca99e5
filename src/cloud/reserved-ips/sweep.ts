/** What reserved addresses have on the host. */
import { sql } from 'kysely';
import type { Found, Inventory, Resource } from '../../control/sweep.ts';
import type { Host } from '../../engine/node/port.ts';
import { anyOf } from '../../store/any-of.ts';
import type { Store } from '../../store/store.ts';
import { reservedAddressKind, reservedIpKind, reservedIpUrn } from '../addresses/index.ts';
import { desiredAddresses } from './desired.ts';

export interface ReservedIpInventoryDeps {
  store: Store;
  host: Pick<Host, 'addresses' | 'withdrawAddress'>;
}

interface InForce extends Found {
  /** The droplet's address that it leads to. */
  target: string | null;
}

/**
 * The addresses in force, and those that do not lead where the row says. A row goes when its address was taken out of
 * force, so that none here ever says that it is gone.
 */
export function reservedIpInventory({ store, host }: ReservedIpInventoryDeps): Inventory<InForce> {
  async function* outOfStep(found: readonly InForce[]): AsyncGenerator<Resource> {
    const targets = new Map(found.map(({ name, target }) => [name, target]));
    for (const { ip, target, released } of await desiredAddresses(store.db))
      if (released || targets.get(ip) !== target) yield { kind: reservedIpKind, id: ip };
  }

  return {
    kind: reservedAddressKind,
    found: async () =>
      (await host.addresses()).map(({ ip, target = null }) => ({
        urn: reservedIpUrn(ip),
        name: ip,
        target,
        async remove() {
          // Older than whoever reserves it from now on, whose address must not be taken away again.
          const { rows } = await sql<{
            generation: number;
          }>`select nextval('droplet_versions') as generation`.execute(store.db);
          await host.withdrawAddress(ip, rows[0]?.generation ?? 0);
        },
      })),
    async rows(found) {
      const rows = await store.db
        .selectFrom('reserved_ips')
        .select('ip')
        .where(
          anyOf(
            'ip',
            found.map(({ name }) => name),
          ),
        )
        .execute();
      return new Map(rows.map(({ ip }) => [ip, 'here' as const]));
    },
    outOfStep,
  };
}
