/** The products of this Atoll: whatever builds the control plane maps over this list. */
import type { Reconciler } from '../control/loop.ts';
import type { Inventory } from '../control/sweep.ts';
import type { Operation } from '../http/operation.ts';
import type { Queryable } from '../store/store.ts';
import { product as account } from './account/index.ts';
import { product as actions } from './actions/index.ts';
import { product as associated } from './associated/index.ts';
import { product as autoscale } from './autoscale/index.ts';
import { product as backups } from './backups/index.ts';
import type { CloudContext } from './context.ts';
import { product as droplets } from './droplets/index.ts';
import { product as firewalls } from './firewalls/index.ts';
import { product as golden } from './golden/index.ts';
import { product as hosts } from './hosts/index.ts';
import { product as images } from './images/index.ts';
import { product as keys } from './keys/index.ts';
import { type MachineRoles, product as machines } from './machines/index.ts';
import { product as oneClicks } from './one-clicks/index.ts';
import type { EngineDeps, MissingBytes, OperationDeps, Product, ReconcilerDeps } from './product.ts';
import { product as regions } from './regions/index.ts';
import { product as reservedIps } from './reserved-ips/index.ts';
import { product as sizes } from './sizes/index.ts';
import { product as snapshots } from './snapshots/index.ts';
import { product as tags } from './tags/index.ts';
import { product as volumes } from './volumes/index.ts';
import { product as vpcs } from './vpcs/index.ts';

/** The sweep goes through them in this order: a machine goes before the volumes and the network that it uses. */
const products: readonly Product[] = [
  // Droplets and volumes have their room on hosts.
  hosts,
  account,
  actions,
  associated,
  autoscale,
  backups,
  droplets,
  firewalls,
  golden,
  images,
  keys,
  machines,
  oneClicks,
  regions,
  reservedIps,
  sizes,
  snapshots,
  tags,
  volumes,
  vpcs,
];

/** What products know of each other only through this list. */
const shared = {
  taggable: Object.assign({}, ...products.map(({ taggable }) => taggable)) as OperationDeps['taggable'],
  belongings: products.flatMap(({ belongings }) => belongings ?? []),
};

/** What machines do that serve a product. */
const machineRoles: MachineRoles = Object.assign({}, ...products.map((product) => product.machineRoles));

/** Every operation that this Atoll has built. */
export const cloudOperations = (deps: Omit<OperationDeps, keyof typeof shared>): Operation[] =>
  products.flatMap(({ operations }) => operations?.({ ...deps, ...shared }) ?? []);

/** Every kind of resource that the control loop works on. */
export const reconcilersOf = (
  deps: Omit<ReconcilerDeps, 'belongings' | 'machineRoles'> & { machineRoles?: MachineRoles },
): Reconciler[] =>
  products.flatMap(
    ({ reconcilers }) =>
      reconcilers?.({ ...deps, ...shared, machineRoles: { ...machineRoles, ...deps.machineRoles } }) ?? [],
  );

/** What the products have in the engines: what the sweep compares with the database. */
export const inventoriesOf = (deps: EngineDeps): Inventory[] =>
  products.flatMap(({ inventories }) => inventories?.(deps) ?? []);

/** By the type of a machine's URN: the kind of the loop that looks at one of which the engine tells something. */
export const watched: Readonly<Record<string, string>> = Object.assign(
  {},
  ...products.map((product) => product.watched),
);

/** Moves all sequences and generations past what the engines have seen. @throws EngineError */
export async function takeOverProducts(deps: EngineDeps & { context: CloudContext }): Promise<void> {
  for (const { takeOver } of products) await takeOver?.(deps);
}

/** Writes down what the engines are like. @throws EngineError */
export async function observeEngines(deps: EngineDeps & { context: CloudContext }): Promise<void> {
  for (const { observe } of products) await observe?.(deps);
}

/** Keeps what is in quarantine from being given out again. */
export async function holdQuarantined(deps: EngineDeps): Promise<void> {
  for (const product of products) await product.holdQuarantined?.(deps);
}

/** All things whose bytes were kept and are missing, of all teams; at most `most` of each kind. */
export async function missingBytes(db: Queryable, most: number): Promise<MissingBytes[]> {
  const missing: MissingBytes[] = [];
  for (const product of products) missing.push(...((await product.missingBytes?.(db, most)) ?? []));
  return missing;
}
