/** Destroys what was asked to go together with a droplet, once the droplet's machine is gone. */
import type { Outcome, Reconciler } from '../../control/loop.ts';
import { ApiError } from '../../http/errors.ts';
import { releaseReservedIp } from '../reserved-ips/index.ts';
import { deleteSnapshot } from '../snapshots/index.ts';
import { deleteVolume } from '../volumes/index.ts';
import { type AssociatedDeps, associatedKind } from './commands.ts';
import { type Destroyed, type Destruction, readDestruction, writeDestruction } from './record.ts';

/** How long to wait for the droplet to be gone, ms: its volumes hang on its machine until then. */
const pauseMs = 500;

export function associatedReconciler(deps: AssociatedDeps): Reconciler {
  const { store, clock } = deps;

  async function destroy(destruction: Destruction, { kind, id }: Destroyed): Promise<void> {
    const request = {
      caller: destruction.caller,
      id: destruction.requestId,
      operation: 'droplets_destroy_associated',
    };
    switch (kind) {
      case 'reserved_ips':
      case 'floating_ips':
        return releaseReservedIp(deps, request, id);
      case 'volumes':
        return deleteVolume(deps, request, { id });
      case 'snapshots':
      case 'volume_snapshots':
        return deleteSnapshot(deps, request, id);
    }
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

  return {
    kind: associatedKind,
    async reconcile(id): Promise<Outcome | void> {
      const destruction = await readDestruction(store.db, Number(id));
      if (!destruction) return { forget: true };
      if (!destruction.dropletDestroyedAt) return { again: new Date(clock.now().getTime() + pauseMs) };
      const resources: Destroyed[] = [];
      for (const resource of destruction.resources) resources.push(await outcomeOf(destruction, resource));
      await writeDestruction(store.db, Number(id), { ...destruction, resources });
      return { forget: true };
    },
  };
}
