/** Droplet actions: each is a change of what is wanted, plus a row in `actions` that the loop ends. */

import type { Clock } from '../../base/clock.ts';
import { type Action, beginAction } from '../../control/actions.ts';
import { type Asked, type Command, command } from '../../control/command.ts';
import { invalid, notFound, quoted } from '../../http/errors.ts';
import type { Secrets } from '../../store/secrets.ts';
import type { Store } from '../../store/store.ts';
import type { CloudContext } from '../context.ts';
import {
  beginOnDroplet,
  checkNothingPending,
  dropletKind,
  dropletUrn,
  type LockedDroplet,
  lockDroplet,
} from '../droplet-state/index.ts';
import { holdRoom } from '../hosts/index.ts';
import { type Ask, byTag, changeOf } from './changes.ts';
import { lockTagged } from './tagged.ts';
import { type Undo, undoColumns } from './undo.ts';

export interface ActDeps {
  store: Store;
  secrets: Secrets;
  clock: Clock;
  context: CloudContext;
}

const operationOf = ({ type }: Ask): string => `dropletActions_post.${type}`;

async function apply(
  { tx, caller, at, changed }: Command,
  { context, secrets }: ActDeps,
  droplet: LockedDroplet,
  ask: Ask,
): Promise<Action> {
  // Before all else: clients come again for minutes while an event is pending.
  const changeFor = changeOf(ask.type);
  checkNothingPending(droplet);
  const change = await changeFor({ tx, caller, droplet, ask, at, context, secrets });
  const resource = { resourceType: 'droplet', resourceId: String(droplet.id), region: droplet.region };
  const action = await beginAction(tx, { caller, type: ask.type, ...resource, at });
  const undo = Object.fromEntries(
    undoColumns.filter((key) => key in change).map((key) => [key, droplet[key]]),
  ) as Undo;
  await tx
    .updateTable('droplets')
    .set({ ...change, undo: JSON.stringify(undo) })
    .where('id', '=', droplet.id)
    .execute();
  await beginOnDroplet(tx, droplet, action.id);
  const id = String(droplet.id);
  changed({ urn: dropletUrn(id), change: 'changed', action: action.id, wake: [dropletKind, id] });
  return action;
}

/** Begins an action on one droplet. @throws ApiError 404, or 422 where one is pending or it cannot be done */
export function actOnDroplet(
  deps: ActDeps,
  request: Asked & { body: Ask },
  dropletId: number,
): Promise<Action> {
  const { caller, body } = request;
  return command(deps, request, operationOf(body), async (acting) => {
    if (body.type === 'resize') await holdRoom(acting.tx, 'alone');
    return apply(acting, deps, await lockDroplet(acting.tx, caller, dropletId), body);
  });
}

/** Begins an action on every droplet with a tag: on all of them, or on none. */
export function actOnTagged(deps: ActDeps, request: Asked & { body: Ask }, tag: string): Promise<Action[]> {
  const { type } = request.body;
  changeOf(type);
  if (!byTag.has(type)) {
    throw invalid('type', `${quoted(type)} cannot be asked of all Droplets with a tag: ask it of each.`);
  }
  return command(deps, request, operationOf(request.body), async (acting) => {
    const droplets = await lockTagged(acting.tx, request.caller, tag);
    if (droplets.length === 0) throw notFound(`No Droplet has the tag ${quoted(tag)}.`);
    const actions: Action[] = [];
    for (const droplet of droplets) {
      actions.push(await apply(acting, deps, droplet, request.body));
    }
    return actions;
  });
}
