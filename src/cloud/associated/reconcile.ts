/** Destroys what was asked to go together with a droplet, once the droplet's machine is gone. */
import { type ConvergeDeps, converge } from '../../control/converge.ts';
import type { Reconciler } from '../../control/loop.ts';
import { ApiError } from '../../http/errors.ts';
import { type AssociatedDeps, associatedKind } from './commands.ts';
import { type DestroyStep, type ObservedDestruction, planDestruction } from './plan.ts';
import { type Destroyed, type Destruction, readDestruction, writeDestruction } from './record.ts';

type Row = NonNullable<Awaited<ReturnType<typeof readDestruction>>>;

export function associatedReconciler(deps: AssociatedDeps & ConvergeDeps): Reconciler {
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
    try {
      await destroy(destruction, resource);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.id !== 'not_found') return { ...resource, error_message: error.message };
    }
    return { ...resource, destroyed_at: clock.now().toISOString() };
  }

  return converge<Row, ObservedDestruction, DestroyStep, 'ended'>(deps, {
    kind: associatedKind,
    lane: 'quick',
    row: (id) => readDestruction(store.db, Number(id)),
    observe: async () => ({ outcomes: {} }),
    plan: planDestruction,
    take: async ({ index, resource }, destruction, { outcomes }) => ({
      outcomes: { ...outcomes, [index]: await outcomeOf(destruction, resource) },
    }),
    async settle(destruction, _, { outcomes }) {
      const resources = destruction.resources.map((resource, index) => outcomes[index] ?? resource);
      await writeDestruction(store.db, Number(destruction.droplet.id), { ...destruction, resources });
      return { forget: true };
    },
  });
}
