/**
 * For the operator: what the engines hold and the database does not know, found in the engines themselves, whether a
 * control plane runs or not.
 */
import { holdQuarantined, inventoriesOf } from './cloud/index.ts';
import type { EngineDeps } from './cloud/product.ts';
import { listQuarantined } from './control/quarantine.ts';
import { type Found, type Inventory, quarantine, withoutRow } from './control/sweep.ts';

export interface Orphan {
  kind: string;
  /** What the engine calls it, and `atoll orphans --remove` takes. */
  name: string;
  urn: string;
  /** What it takes, or the most that it may take; undefined where nobody knows. */
  bytes?: number;
  /** Where the engine remembers it. */
  createdAt?: Date;
  /** When a control plane first found it. */
  foundAt?: Date;
}

/** Why the database cannot say what is an orphan; undefined where it can. */
export async function whyNotTrusted({ store, compute, host }: EngineDeps): Promise<string | undefined> {
  let cloud: string;
  try {
    ({ id: cloud } = await store.db.selectFrom('cloud').select('id').executeTakeFirstOrThrow());
  } catch (error) {
    return `the database does not answer (${(error as Error).message})`;
  }
  const marks = await Promise.all([compute.mark(), host.mark()]);
  const other = marks.find((mark) => mark?.cloud !== cloud);
  if (marks.every((mark) => mark?.cloud === cloud)) return undefined;
  return other
    ? `the database is of cloud ${cloud}, the engines are of cloud ${other.cloud}`
    : 'the engines have no cloud id yet: the control plane gives it to them when it starts';
}

/** All that the engines hold, whether the database knows it or not. */
export const everythingHeld = (deps: EngineDeps): Promise<Orphan[]> =>
  described(deps, async ({ found }) => found(), false);

/** What the engines hold and the database does not know. */
export const findOrphans = (deps: EngineDeps): Promise<Orphan[]> => described(deps, unknownOf, true);

const unknownOf = async (inventory: Inventory): Promise<Found[]> =>
  withoutRow(inventory, await inventory.found());

async function described(
  deps: EngineDeps,
  things: (inventory: Inventory) => Promise<Found[]>,
  database: boolean,
): Promise<Orphan[]> {
  const [surveyed, { volumes }, quarantined] = await Promise.all([
    deps.compute.survey(),
    deps.host.volumes(),
    database ? listQuarantined(deps.store.db) : [],
  ]);
  const known = new Map(surveyed.map(({ name, bytes, createdAt }) => [name, { bytes, createdAt }]));
  const sizes = new Map(volumes.map(({ id, sizeGib }) => [id, sizeGib * 2 ** 30]));
  const dates = new Map(quarantined.map(({ kind, name, foundAt }) => [`${kind} ${name}`, foundAt]));
  const orphans: Orphan[] = [];
  for (const inventory of inventoriesOf(deps))
    for (const { name, urn } of await things(inventory)) {
      const bytes = known.get(name)?.bytes ?? sizes.get(name);
      const createdAt = known.get(name)?.createdAt;
      const foundAt = dates.get(`${inventory.kind} ${name}`);
      orphans.push({
        kind: inventory.kind,
        name,
        urn,
        ...(bytes !== undefined && { bytes }),
        ...(createdAt && { createdAt }),
        ...(foundAt && { foundAt }),
      });
    }
  return orphans;
}

/** Those that are meant by these names, and the host entries that go with machines; `missing` are no orphans. */
export function selectOrphans(
  orphans: readonly Orphan[],
  names: readonly string[],
): { selected: Orphan[]; missing: string[] } {
  const named = orphans.filter(({ name }) => names.includes(name));
  const machines = new Set(named.filter(({ kind }) => kind === 'machine').map(({ urn }) => urn));
  const selected = orphans.filter(
    (orphan) => named.includes(orphan) || (orphan.kind === 'host entry' && machines.has(orphan.urn)),
  );
  return { selected, missing: names.filter((name) => !named.some((each) => each.name === name)) };
}

/**
 * Removes orphans, machines first, each only if the database still does not know it; gives back the addresses that they
 * held. Answers what could not be removed, and why.
 */
export async function removeOrphans(
  deps: EngineDeps,
  selected: readonly Orphan[],
  removed: (orphan: Orphan) => void,
): Promise<{ orphan: Orphan; why: string }[]> {
  const failed: { orphan: Orphan; why: string }[] = [];
  const inventories = inventoriesOf(deps);
  for (const inventory of inventories) {
    const mine = selected.filter(({ kind }) => kind === inventory.kind);
    if (mine.length === 0) continue;
    const unknown = new Map((await unknownOf(inventory)).map((found) => [found.name, found]));
    for (const orphan of mine) {
      try {
        await unknown.get(orphan.name)?.remove();
        removed(orphan);
      } catch (error) {
        failed.push({ orphan, why: (error as Error).message });
      }
    }
  }
  for (const inventory of inventories) await quarantine(deps, inventory);
  await holdQuarantined(deps);
  return failed;
}
