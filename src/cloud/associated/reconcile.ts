/** Destroys what was asked to go together with a droplet, once the droplet's machine is gone. */
import type { Outcome, Reconciler } from '../../control/loop.ts';
import { patienceMs, type Waited } from '../../control/waits.ts';
import { ApiError } from '../../http/errors.ts';
import { type AssociatedDeps, associatedKind } from './commands.ts';
import { type Destroyed, type Destruction, readDestruction, writeDestruction } from './record.ts';

/** How long the droplet's machine may take to be gone, ms: an engine that is away may be for an hour. */
const patience = patienceMs.unavailable;

export function associatedReconciler(deps: AssociatedDeps): Reconciler {
  const { store, clock, belongings } = deps;

  async function destroy(destruction: Destruction, { kind, id }: Destroyed): Promise<void> {
    const request = {
      caller: destruction.caller,
      id: destruction.requestId,
      operation: 'droplets_destroy_associated',
    };
    const part = belongings.find(({ kinds }) => kinds.includes(kind));
    if (!part) throw new Error(`no product has ${kind}`);
    return part.destroy({ store, clock }, request, { kind, id });
  }

  /** How it went with one of them. What was destroyed already, by us before a crash or by somebody, is destroyed. */
  async function outcomeOf(destruction: Destruction, resource: Destroyed): Promise<Destroyed> {
    if (resource.destroyed_at || resource.error_message) return resource;
    try {
      await destroy(destruction, resource);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.id !== 'not_found') return { ...resource, error_message: error.message };
    }
    return { ...resource, destroyed_at: clock.now().toISOString() };
  }

  /** Its volumes hang on its machine until that is gone. */
  function waitFor({ droplet }: Destruction, waited: Waited | undefined): Outcome {
    const reason = `the machine of droplet ${droplet.id} is being destroyed`;
    const since = waited?.for === reason ? waited.since : clock.now();
    return { waiting: { for: reason, until: new Date(since.getTime() + patience) } };
  }

  return {
    kind: associatedKind,
    lane: 'quick',
    async reconcile(id, { waited }): Promise<Outcome | void> {
      const destruction = await readDestruction(store.db, Number(id));
      if (!destruction) return { forget: true };
      if (!destruction.dropletDestroyedAt) return waitFor(destruction, waited);
      const resources: Destroyed[] = [];
      for (const resource of destruction.resources) resources.push(await outcomeOf(destruction, resource));
      await writeDestruction(store.db, Number(id), { ...destruction, resources });
      return { forget: true };
    },
  };
}
