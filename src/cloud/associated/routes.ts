import { Type } from 'typebox';
import { notFound } from '../../http/errors.ts';
import { type Operation, operation } from '../../http/operation.ts';
import { checkDangerous } from '../dangerous.ts';
import { type Belonging, type BelongingKind, belongingKinds } from '../product.ts';
import { wireTime } from '../wire-time.ts';
import { type AssociatedDeps, destroyWith, retryDestruction } from './commands.ts';
import { type Destroyed, type Destruction, readDestruction } from './record.ts';
import { belongingsOf } from './resources.ts';

const params = Type.Object({ droplet_id: Type.Integer() });
const path = '/v2/droplets/{droplet_id}/destroy_with_associated_resources';
const destroyScopes = [
  'droplet:delete',
  'block_storage:delete',
  'block_storage_snapshot:delete',
  'image:delete',
  'reserved_ip:delete',
];

const byKind = <Value>(of: (kind: BelongingKind) => Value) =>
  Object.fromEntries(belongingKinds.map((kind) => [kind, of(kind)])) as Record<BelongingKind, Value>;

const Listed = Type.Object({ id: Type.String(), name: Type.String(), cost: Type.String() });
const Outcome = Type.Object({
  id: Type.String(),
  name: Type.String(),
  destroyed_at: Type.Optional(Type.String({ format: 'date-time' })),
  error_message: Type.Optional(Type.String()),
});
const Status = Type.Object({
  droplet: Outcome,
  resources: Type.Object(byKind(() => Type.Array(Outcome))),
  completed_at: Type.Optional(Type.String({ format: 'date-time' })),
  failures: Type.Integer(),
});
const Ids = Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()]));
const SelectionBody = Type.Object(byKind(() => Ids));

/** A droplet destroyed together with what belongs to it: listing, asking, following. */
export function associatedOperations(deps: AssociatedDeps): Operation[] {
  const { store } = deps;
  return [
    operation({
      id: 'droplets_list_associatedResources',
      method: 'GET',
      path,
      summary: 'List what can be destroyed together with a droplet',
      scopes: ['droplet:read'],
      params,
      status: 200,
      response: Type.Object(byKind(() => Type.Array(Listed))),
      async handler(request) {
        const { droplet_id: id } = request.params;
        const droplet = await store.db
          .selectFrom('droplets')
          .select('id')
          .where('id', '=', id)
          .where('team_id', '=', request.caller.teamId)
          .where('deleted_at', 'is', null)
          .executeTakeFirst();
        if (!droplet) throw notFound();
        const resources = await belongingsOf(deps.belongings, store.db, id);
        return byKind((kind) => resources.filter((each) => each.kind === kind).map(listed));
      },
    }),
    operation({
      id: 'droplets_destroy_withAssociatedResourcesSelective',
      method: 'DELETE',
      path: `${path}/selective`,
      summary: 'Destroy a droplet and some of what belongs to it',
      scopes: destroyScopes,
      params,
      body: SelectionBody,
      status: 202,
      handler: (request) => destroyWith(deps, request, request.params.droplet_id, request.body ?? {}),
    }),
    operation({
      id: 'droplets_destroy_withAssociatedResourcesDangerous',
      method: 'DELETE',
      path: `${path}/dangerous`,
      summary: 'Destroy a droplet and all that belongs to it',
      scopes: destroyScopes,
      params,
      status: 202,
      async handler(request) {
        checkDangerous(request, 'everything of a Droplet');
        await destroyWith(deps, request, request.params.droplet_id, 'all');
      },
    }),
    operation({
      id: 'droplets_get_DestroyAssociatedResourcesStatus',
      method: 'GET',
      path: `${path}/status`,
      summary: 'Follow the destruction of a droplet and what belongs to it',
      scopes: ['droplet:delete'],
      params,
      status: 200,
      response: Status,
      async handler(request) {
        const { droplet_id: id } = request.params;
        const destruction = await readDestruction(store.db, id, request.caller.teamId);
        if (!destruction) throw notFound();
        return statusView(destruction);
      },
    }),
    operation({
      id: 'droplets_destroy_retryWithAssociatedResources',
      method: 'POST',
      path: `${path}/retry`,
      summary: 'Try again to destroy what could not be destroyed',
      scopes: destroyScopes,
      params,
      status: 202,
      handler: (request) => retryDestruction(deps, request, request.params.droplet_id),
    }),
  ];
}

/** Nothing here costs anything. */
const listed = ({ id, name }: Belonging) => ({ id, name, cost: '0.00' });

function statusView({
  droplet,
  resources,
  dropletDestroyedAt,
}: Destruction & { dropletDestroyedAt: Date | null }) {
  const ended = dropletDestroyedAt && resources.every((each) => each.destroyed_at || each.error_message);
  const times = resources.flatMap((each) => each.destroyed_at ?? []);
  const last = [...times, dropletDestroyedAt?.toISOString() ?? ''].sort().at(-1);
  return {
    droplet: { ...droplet, ...(dropletDestroyedAt && { destroyed_at: wireTime(dropletDestroyedAt) }) },
    resources: byKind((kind) => resources.filter((each) => each.kind === kind).map(outcomeView)),
    ...(ended && last && { completed_at: wireTime(new Date(last)) }),
    failures: resources.filter((each) => each.error_message).length,
  };
}

const outcomeView = ({ id, name, destroyed_at: at, error_message }: Destroyed) => ({
  id,
  name,
  ...(at && { destroyed_at: wireTime(new Date(at)) }),
  ...(error_message && { error_message }),
});
