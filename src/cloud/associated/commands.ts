import type { Clock } from '../../base/clock.ts';
import { type Asked, command } from '../../control/command.ts';
import { wake } from '../../control/reconcile.ts';
import { invalid, notFound, quoted } from '../../http/errors.ts';
import type { Store } from '../../store/store.ts';
import { dropletUrn, lockDroplet } from '../droplet-state/index.ts';
import { destroyOperation, removeDroplet } from '../droplets/index.ts';
import { type Belonging, type BelongingKind, type Belongings, belongingKinds } from '../product.ts';
import { type Destruction, readDestruction, writeDestruction } from './record.ts';
import { belongingsOf } from './resources.ts';

/** The kind under which the control loop knows such a destruction; its id is the droplet's. */
export const associatedKind = 'associated_destroy';

export interface AssociatedDeps {
  store: Store;
  clock: Clock;
  belongings: readonly Belongings[];
}

export type Selection = Partial<Record<BelongingKind, string[] | null | undefined>>;

/**
 * Destroys a droplet and those of its resources that are selected (all of them by `'all'`). The droplet is invisible
 * at once; the loop destroys the others when its machine is gone.
 * @throws ApiError 404; 422 naming what is no resource of the droplet, and then nothing is destroyed
 */
export function destroyWith(
  deps: AssociatedDeps,
  request: Asked,
  dropletId: number,
  selection: Selection | 'all',
): Promise<void> {
  const { caller } = request;
  return command(deps, request, destroyOperation, async (destroying) => {
    const { tx, at } = destroying;
    const droplet = await lockDroplet(tx, caller, dropletId);
    const owned = await belongingsOf(deps.belongings, tx, dropletId);
    const destruction: Destruction = {
      caller,
      requestId: request.id,
      droplet: { id: String(droplet.id), name: droplet.name },
      resources: selection === 'all' ? owned : chosen(owned, selection),
    };
    await tx
      .insertInto('associated_destroys')
      .values({
        droplet_id: dropletId,
        team_id: caller.teamId,
        resources: JSON.stringify(destruction),
        started_at: at,
      })
      .execute();
    await removeDroplet(destroying, droplet);
    await wake(tx, associatedKind, String(dropletId), at);
  });
}

function chosen(owned: Belonging[], selection: Selection): Belonging[] {
  return belongingKinds.flatMap((kind) =>
    (selection[kind] ?? []).map((id, index) => {
      // One that is asked for by the older name is the same address.
      const listed = kind === 'floating_ips' ? 'reserved_ips' : kind;
      const resource = owned.find((each) => each.kind === listed && each.id === id);
      if (!resource) {
        throw invalid(`${kind}[${index}]`, `${quoted(id)} is not a resource of this Droplet.`);
      }
      return { ...resource, kind };
    }),
  );
}

/** Tries again what could not be destroyed. @throws ApiError 404 where nothing was asked for */
export function retryDestruction(deps: AssociatedDeps, request: Asked, dropletId: number): Promise<void> {
  const operation = 'droplets_destroy_retryWithAssociatedResources';
  return command(deps, request, operation, async ({ tx, changed }) => {
    const destruction = await readDestruction(tx, dropletId, request.caller.teamId);
    if (!destruction) throw notFound();
    const resources = destruction.resources.map(({ error_message: _ignored, ...resource }) => resource);
    await writeDestruction(tx, dropletId, { ...destruction, resources });
    // Nothing of the droplet changes, which is gone.
    const id = String(dropletId);
    changed({ urn: dropletUrn(id), change: null, wake: [associatedKind, id] });
  });
}
