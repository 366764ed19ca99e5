/** Creating, changing and deleting pools. */
import { sql } from 'kysely';
import { type Static, Type } from 'typebox';
import type { Caller } from '../../base/caller.ts';
import type { Clock } from '../../base/clock.ts';
import { type Asked, type Change, command } from '../../control/command.ts';
import { conflict, invalid, notFound, quoted } from '../../http/errors.ts';
import type { Store, Tx } from '../../store/store.ts';
import type { CloudContext } from '../context.ts';
import { leavePool } from '../droplets/index.ts';
import { ConfigRequest, parseConfig } from './config.ts';
import { autoscaleKind, findPool, type Pool, poolUrn } from './pool.ts';
import { parseTemplate, TemplateRequest } from './template.ts';

export interface AutoscaleDeps {
  store: Store;
  clock: Clock;
  context: CloudContext;
}

export const PoolRequest = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 255 }),
  config: ConfigRequest,
  droplet_template: TemplateRequest,
});

type Body = Static<typeof PoolRequest>;

/** In the words that terraform looks for. */
export const poolNotFound = (id: string) => notFound(`autoscale group with id ${id.slice(0, 100)} not found`);

/** @throws ApiError 422 naming the field; then nothing was created */
export async function createPool(deps: AutoscaleDeps, request: Asked & { body: Body }): Promise<Pool> {
  const { store, context } = deps;
  const { caller, body } = request;
  const config = parseConfig(body.config);
  const template = await parseTemplate(store.db, caller.teamId, body.droplet_template, context);
  return command(deps, request, 'autoscalepools_create', async ({ tx, at, changed }) => {
    const { id } = await tx
      .insertInto('autoscale_pools')
      .values({
        team_id: caller.teamId,
        user_id: caller.userId,
        token_id: caller.tokenId,
        name: body.name,
        config: JSON.stringify(config),
        template: JSON.stringify(template),
        created_at: at,
        updated_at: at,
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    changed(poolChange(id, 'created'));
    return visible(tx, caller, id);
  });
}

/**
 * Changes how many members there are to be, and what they are made from: where the template differs, members are
 * replaced, new ones first.
 * @throws ApiError 404, 409 while it is being deleted, 422 naming the field
 */
export async function updatePool(
  deps: AutoscaleDeps,
  request: Asked & { body: Body },
  id: string,
): Promise<Pool> {
  const { store, context } = deps;
  const { caller, body } = request;
  const config = parseConfig(body.config);
  await visible(store.db, caller, id);
  const template = await parseTemplate(store.db, caller.teamId, body.droplet_template, context);
  return command(deps, request, 'autoscalepools_update', async ({ tx, at, changed }) => {
    const pool = await lock(tx, caller, id);
    if (pool.status === 'deleting') throw conflict('The autoscale pool is being deleted.');
    if (body.name !== pool.name) {
      throw invalid('name', `cannot be changed: this pool is called ${quoted(pool.name)}.`);
    }
    const other = JSON.stringify(template) !== JSON.stringify({ ...template, ...pool.template });
    await tx
      .updateTable('autoscale_pools')
      .set({
        config: JSON.stringify(config),
        template: JSON.stringify(template),
        status: 'active',
        updated_at: at,
        ...(other && { template_after: sql<number>`(select last_value from droplets_id_seq)` }),
      })
      .where('id', '=', id)
      .execute();
    changed(poolChange(id, 'changed'));
    return visible(tx, caller, id);
  });
}

/** Deletes a pool; its droplets stay, on their own from now on. @throws ApiError 404 */
export function deletePool(deps: AutoscaleDeps, request: Asked, id: string): Promise<void> {
  return command(deps, request, 'autoscalepools_delete', async ({ tx, at, changed }) => {
    await lock(tx, request.caller, id);
    await leavePool(tx, id);
    await tx.updateTable('autoscale_pools').set({ deleted_at: at }).where('id', '=', id).execute();
    changed(poolChange(id, 'deleted'));
  });
}

/** Deletes a pool and its droplets: it shows as `deleting` until the last is gone. @throws ApiError 404 */
export function deletePoolAndMembers(deps: AutoscaleDeps, request: Asked, id: string): Promise<void> {
  return command(deps, request, 'autoscalepools_delete_dangerous', async ({ tx, at, changed }) => {
    await lock(tx, request.caller, id);
    await tx
      .updateTable('autoscale_pools')
      .set({ status: 'deleting', updated_at: at })
      .where('id', '=', id)
      .execute();
    changed(poolChange(id, 'changed'));
  });
}

async function visible(db: Store['db'], caller: Caller, id: string): Promise<Pool> {
  const pool = await findPool(db, caller.teamId, id);
  if (!pool) throw poolNotFound(id);
  return pool;
}

/** Locked until the transaction ends: two requests about one pool wait for each other. */
async function lock(tx: Tx, caller: Caller, id: string): Promise<Pool> {
  await visible(tx, caller, id);
  await tx.selectFrom('autoscale_pools').select('id').where('id', '=', id).forUpdate().execute();
  return visible(tx, caller, id);
}

const poolChange = (id: string, change: Change['change']): Change => ({
  urn: poolUrn(id),
  change,
  wake: [autoscaleKind, id],
});
