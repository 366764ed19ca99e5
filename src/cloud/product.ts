/**
 * What a product is to the rest of the code. Each product's folder answers one `Product` from its index.ts;
 * `cloud/index.ts` lists them, and whatever builds the control plane maps over that list.
 */

import type { Caller } from '../base/caller.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { AroundStep } from '../control/converge.ts';
import type { Reconciler } from '../control/loop.ts';
import type { Inventory } from '../control/sweep.ts';
import type { Builder } from '../engine/builder/port.ts';
import type { Compute } from '../engine/compute/port.ts';
import type { Importer, ImportLimits } from '../engine/importer/port.ts';
import type { Mail } from '../engine/mail/port.ts';
import type { Host } from '../engine/node/port.ts';
import type { Operation } from '../http/operation.ts';
import type { Secrets } from '../store/secrets.ts';
import type { Queryable, Store, Tx } from '../store/store.ts';
import type { CloudContext } from './context.ts';
import type { MachineRoles } from './machine-role.ts';

/** What operations are made of: the database and what does not change while the control plane runs. No engine. */
export interface OperationDeps {
  store: Store;
  secrets: Secrets;
  clock: Clock;
  mode: 'real' | 'simulated';
  context: CloudContext;
  /** Of all products: what can be tagged, and what can be destroyed together with a droplet. */
  taggable: TaggableResources;
  belongings: readonly Belongings[];
}

/** What describes and takes over the contents of the engines. */
export interface EngineDeps {
  store: Store;
  secrets: Secrets;
  clock: Clock;
  log: Log;
  compute: Compute;
  host: Host;
}

/** What the control loop's runs are made of. */
export interface ReconcilerDeps extends EngineDeps {
  mail: Mail;
  importer: Importer;
  builder: Builder;
  /** The most that an import may take; absent: 20 GiB, an hour. */
  importLimits?: ImportLimits;
  context: CloudContext;
  belongings: readonly Belongings[];
  /** What the products' machines do. */
  machineRoles: MachineRoles;
  /** For tests: see `AroundStep`. */
  aroundStep?: AroundStep;
}

export interface Product {
  operations?(deps: OperationDeps): Operation[];
  /** The kinds of resources that the control loop brings to what is wanted. */
  reconcilers?(deps: ReconcilerDeps): Reconciler[];
  /** What the product has in the engines, for the sweep. */
  inventories?(deps: EngineDeps): Inventory[];
  /** Its resources that can be tagged. */
  taggable?: TaggableResources;
  /** Its resources that can be destroyed together with a droplet. */
  belongings?: Belongings;
  /** What machines of its own do, by names that are unique among all products: see machines/. */
  machineRoles?: MachineRoles;
  /** By the type of its machines' URNs: the kind of the loop that looks at one of which the engine tells something. */
  watched?: Readonly<Record<string, string>>;
  /**
   * Moves sequences and generations past all that the engines have seen, before the first request: the database may be a
   * dump that is older than they are. Throws EngineError where an engine does not answer.
   */
  takeOver?(deps: EngineDeps & { context: CloudContext }): Promise<void>;
  /** Writes down what it keeps of what the engines are like: with each sweep. */
  observe?(deps: EngineDeps & { context: CloudContext }): Promise<void>;
  /** Keeps what is in quarantine from being given out again: after each look at the engines. */
  holdQuarantined?(deps: EngineDeps): Promise<void>;
  /** Its things whose bytes were kept and are missing, at most `most` of each kind. */
  missingBytes?(db: Queryable, most: number): Promise<MissingBytes[]>;
}

/** What can be tagged, by the name that requests give it. */
export const taggableTypes = [
  'droplet',
  'image',
  'volume',
  'volume_snapshot',
  'database',
  'load_balancer',
] as const;

export type TaggableType = (typeof taggableTypes)[number];

/**
 * Which of these resources the team has: by what a client sent as their ids, any texts, the ids as they are stored.
 * They cannot be deleted before the transaction ends, so that no tag stays on what is gone. In one statement, and locked
 * in the order of their ids, so that two requests cannot wait for each other in a circle.
 */
export type HoldResources = (
  tx: Tx,
  teamId: string,
  ids: readonly string[],
) => Promise<ReadonlyMap<string, string>>;

/** By type; one that is absent has no resources yet. */
export type TaggableResources = Partial<Record<TaggableType, HoldResources>>;

/**
 * What can be destroyed together with a droplet, by the names that bodies give it. A floating IP is a reserved IP by its
 * older name.
 */
export const belongingKinds = [
  'reserved_ips',
  'floating_ips',
  'snapshots',
  'volumes',
  'volume_snapshots',
] as const;

export type BelongingKind = (typeof belongingKinds)[number];

export interface Belonging {
  kind: BelongingKind;
  id: string;
  name: string;
}

/** What of a product's belongs to a droplet, and how one of it is destroyed. */
export interface Belongings {
  kinds: readonly BelongingKind[];
  /** What belongs to a droplet, each thing once. */
  of(db: Queryable, dropletId: number): Promise<Belonging[]>;
  /** As if its owner had asked for it. @throws ApiError where it cannot be, `not_found` where it is gone already */
  destroy(
    deps: { store: Store; clock: Clock },
    request: { caller: Caller; id: string; operation: string },
    belonging: Pick<Belonging, 'kind' | 'id'>,
  ): Promise<void>;
}

/** Something whose bytes were kept and are missing, for the operator. */
export interface MissingBytes {
  kind: string;
  id: string;
  name: string;
  /** What Incus calls it; absent: it is a file of the volumes' directory. */
  engineName?: string;
  since: Date;
}
