/** Droplet actions: each is a change of what is wanted, plus a row in `actions` that the loop ends. */
import { sql } from 'kysely';
import type { Static } from 'typebox';
import { type Action, beginAction, endAction } from '../../control/actions.ts';
import type { Clock } from '../../control/clock.ts';
import { wake } from '../../control/reconcile.ts';
import { ApiError, invalid, notFound, quoted, unprocessable } from '../../http/errors.ts';
import type { Caller } from '../../http/operation.ts';
import { audit } from '../../store/audit.ts';
import type { Store, Tx } from '../../store/store.ts';
import { untagResource } from '../tags/index.ts';
import { checkName } from './create.ts';
import { dropletKind } from './reconcile.ts';
import { dropletUrn } from './row.ts';
import type { DropletActionRequest } from './schema.ts';

export interface ActDeps {
  store: Store;
  clock: Clock;
}

type Ask = Static<typeof DropletActionRequest>;

interface Locked {
  id: number;
  region: string;
  status: string;
  boot: number;
  pending_action_id: number | null;
}

/** What an action changes of the desired state. */
type Change = Partial<{ power: 'on' | 'off'; boot: number; stop: 'graceful' | 'force'; name: string }>;

type ChangeFor = (droplet: Locked, ask: Ask) => Change;

/** The actions there are, and what each wants. @throws ApiError where the droplet's state does not allow it */
const changes: Record<string, ChangeFor> = {
  power_on: () => ({ power: 'on' }),
  power_off: (droplet) => {
    if (droplet.status === 'off') throw unprocessable('Droplet is already powered off');
    return { power: 'off', stop: 'force' };
  },
  shutdown: (droplet) => {
    if (droplet.status === 'off') throw unprocessable('Droplet is already powered off');
    return { power: 'off', stop: 'graceful' };
  },
  power_cycle: (droplet) => ({ power: 'on', boot: droplet.boot + 1, stop: 'force' }),
  reboot: (droplet) => {
    if (droplet.status === 'off')
      throw unprocessable('Droplet is powered off. Power it on with the power_on action.');
    return { power: 'on', boot: droplet.boot + 1, stop: 'graceful' };
  },
  rename: (_droplet, ask) => {
    if (!ask.name) throw invalid('name', 'is missing: a rename needs the new name.');
    checkName('name', ask.name);
    return { name: ask.name };
  },
};

/** Actions of the published API that are not built yet: an honest 501, which clients do not repeat. */
const unbuilt = new Set([
  'enable_backups',
  'disable_backups',
  'change_backup_policy',
  'restore',
  'password_reset',
  'resize',
  'rebuild',
  'change_kernel',
  'enable_ipv6',
  'enable_private_networking',
  'snapshot',
]);

/** What an action of this type changes. @throws ApiError 422 where it is none, 501 where it is not built */
function changeOf(ask: Ask): ChangeFor {
  const change = Object.hasOwn(changes, ask.type) ? changes[ask.type] : undefined;
  if (change) return change;
  if (unbuilt.has(ask.type)) {
    throw new ApiError(
      'not_implemented',
      `The droplet action ${ask.type} is not part of this version of Atoll yet.`,
    );
  }
  throw invalid(
    'type',
    `${quoted(ask.type)} is not a droplet action. Known: ${Object.keys(changes).join(', ')}.`,
  );
}

async function apply(
  tx: Tx,
  deps: ActDeps,
  request: { caller: Caller; id: string },
  droplet: Locked,
  ask: Ask,
) {
  // Before all else: clients come again for minutes while an event is pending.
  const changeFor = changeOf(ask);
  if (droplet.pending_action_id !== null) throw unprocessable('Droplet already has a pending event.');
  const change = changeFor(droplet, ask);
  const at = deps.clock.now();
  const { caller } = request;
  const action = await beginAction(tx, {
    caller,
    type: ask.type,
    resourceType: 'droplet',
    resourceId: String(droplet.id),
    region: droplet.region,
    at,
  });
  await tx
    .updateTable('droplets')
    .set({ ...change, pending_action_id: action.id })
    .where('id', '=', droplet.id)
    .execute();
  await audit(tx, {
    caller,
    requestId: request.id,
    operation: `dropletActions_post.${ask.type}`,
    urn: dropletUrn(droplet.id),
    at,
  });
  await wake(tx, dropletKind, String(droplet.id), at);
  return action;
}

/** Begins an action on one droplet. @throws ApiError 404, or 422 where one is pending or it cannot be done */
export function actOnDroplet(
  deps: ActDeps,
  request: { caller: Caller; id: string; body: Ask },
  dropletId: number,
): Promise<Action> {
  return deps.store.transaction(async (tx) => {
    const droplet = await lockable(tx, request.caller).where('id', '=', dropletId).executeTakeFirst();
    if (!droplet) throw notFound();
    return apply(tx, deps, request, droplet, request.body);
  });
}

/** Begins an action on every droplet with a tag: on all of them, or on none. */
export function actOnTagged(
  deps: ActDeps,
  request: { caller: Caller; id: string; body: Ask },
  tag: string,
): Promise<Action[]> {
  return deps.store.transaction(async (tx) => {
    const droplets = await lockTagged(tx, request.caller, tag);
    if (droplets.length === 0) throw notFound(`No Droplet has the tag ${quoted(tag)}.`);
    const actions: Action[] = [];
    for (const droplet of droplets) actions.push(await apply(tx, deps, request, droplet, request.body));
    return actions;
  });
}

/** Deletes a droplet: invisible at once, in whatever state it is; the loop clears the engine. @throws ApiError 404 */
export function deleteDroplet(
  deps: ActDeps,
  request: { caller: Caller; id: string },
  dropletId: number,
): Promise<void> {
  return deps.store.transaction(async (tx) => {
    const droplet = await lockable(tx, request.caller).where('id', '=', dropletId).executeTakeFirst();
    if (!droplet) throw notFound();
    await remove(tx, deps, request, droplet);
  });
}

/** Deletes every droplet with a tag; none is fine, as on DigitalOcean. */
export function deleteTagged(
  deps: ActDeps,
  request: { caller: Caller; id: string },
  tag: string,
): Promise<void> {
  return deps.store.transaction(async (tx) => {
    for (const droplet of await lockTagged(tx, request.caller, tag)) await remove(tx, deps, request, droplet);
  });
}

async function remove(
  tx: Tx,
  deps: ActDeps,
  { caller, id }: { caller: Caller; id: string },
  droplet: Locked,
) {
  const at = deps.clock.now();
  if (droplet.pending_action_id !== null) {
    await endAction(tx, droplet.pending_action_id, {
      status: 'errored',
      at,
      message: 'The Droplet was destroyed before this was done.',
    });
  }
  const resource = { resourceType: 'droplet', resourceId: String(droplet.id), region: droplet.region };
  const action = await beginAction(tx, { caller, type: 'destroy', ...resource, at });
  await untagResource(tx, 'droplet', String(droplet.id));
  await tx
    .updateTable('droplets')
    .set({ deleted_at: at, pending_action_id: action.id })
    .where('id', '=', droplet.id)
    .execute();
  await audit(tx, { caller, requestId: id, operation: 'droplets_destroy', urn: dropletUrn(droplet.id), at });
  await wake(tx, dropletKind, String(droplet.id), at);
}

/** The team's droplets, each locked until the transaction ends: two requests about one wait for each other. */
const lockable = (tx: Tx, caller: Caller) =>
  tx
    .selectFrom('droplets')
    .select(['id', 'region', 'status', 'boot', 'pending_action_id'])
    .where('team_id', '=', caller.teamId)
    .where('deleted_at', 'is', null)
    .forUpdate();

/** In order of id, so that two such requests cannot wait for each other in a circle. */
function lockTagged(tx: Tx, caller: Caller, tag: string): Promise<Locked[]> {
  return lockable(tx, caller)
    .where(
      'id',
      'in',
      sql<number>`(select resource_id::bigint from taggings join tags on tags.id = tag_id
        where tags.team_id = ${caller.teamId} and lower(tags.name) = lower(${tag}) and resource_type = 'droplet')`,
    )
    .orderBy('id')
    .execute();
}
