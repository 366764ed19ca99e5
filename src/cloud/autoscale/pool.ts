/** A pool as the database has it, and as clients see it. */
import { type Selectable, sql } from 'kysely';
import { type Static, Type } from 'typebox';
import { isUuid } from '../../http/formats.ts';
import type { AutoscaleHistory, AutoscalePools } from '../../store/schema.ts';
import type { Queryable } from '../../store/store.ts';
import { wireTime } from '../wire-time.ts';
import type { PoolConfig } from './config.ts';
import { averageOf, type PoolUsage } from './load.ts';
import { type PoolTemplate, TemplateSchema } from './template.ts';

export const autoscaleKind = 'autoscale';
export const poolUrn = (id: string): string => `do:autoscale_pool:${id}`;

export type Pool = Omit<Selectable<AutoscalePools>, 'config' | 'template' | 'usage'> & {
  config: PoolConfig;
  template: PoolTemplate;
  usage: PoolUsage | null;
  /** How many of its members run. */
  active: number;
};

export type HistoryEvent = Selectable<AutoscaleHistory>;

/** All pools, to be narrowed. The columns of JSON were checked when they were written. */
export const selectPools = (db: Queryable) =>
  db
    .selectFrom('autoscale_pools')
    .selectAll()
    .select(
      sql<number>`(select count(*) from droplets where autoscale_pool_id = autoscale_pools.id
        and deleted_at is null and status = 'active')`.as('active'),
    )
    .$castTo<Pool>();

/** The team's pool with this id; undefined also where the text cannot be one. */
export async function findPool(db: Queryable, teamId: string, id: string): Promise<Pool | undefined> {
  if (!isUuid(id)) return undefined;
  return selectPools(db)
    .where('id', '=', id)
    .where('team_id', '=', teamId)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
}

const Share = Type.Optional(Type.Number({ minimum: 0, maximum: 1 }));
export const UtilizationSchema = Type.Object({ memory: Share, cpu: Share });
const Moment = Type.String({ format: 'date-time' });

export const PoolSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  config: Type.Object({
    target_number_instances: Type.Optional(Type.Integer()),
    min_instances: Type.Optional(Type.Integer()),
    max_instances: Type.Optional(Type.Integer()),
    target_cpu_utilization: Type.Optional(Type.Number()),
    target_memory_utilization: Type.Optional(Type.Number()),
    cooldown_minutes: Type.Optional(Type.Integer()),
  }),
  droplet_template: TemplateSchema,
  current_utilization: UtilizationSchema,
  created_at: Moment,
  updated_at: Moment,
  status: Type.Enum(['active', 'deleting', 'error']),
  active_resources_count: Type.Integer(),
});

export const poolView = (pool: Pool): Static<typeof PoolSchema> => ({
  id: pool.id,
  name: pool.name,
  config: pool.config,
  droplet_template: pool.template,
  current_utilization: averageOf(pool.usage),
  created_at: wireTime(pool.created_at),
  updated_at: wireTime(pool.updated_at),
  status: pool.status as Static<typeof PoolSchema>['status'],
  active_resources_count: pool.active,
});

export const HistorySchema = Type.Object({
  history_event_id: Type.String(),
  current_instance_count: Type.Integer(),
  desired_instance_count: Type.Integer(),
  reason: Type.Enum(['CONFIGURATION_CHANGE', 'SCALE_UP', 'SCALE_DOWN']),
  status: Type.Enum(['in_progress', 'success', 'error']),
  error_reason: Type.Optional(Type.String()),
  created_at: Moment,
  updated_at: Moment,
});

export const historyView = (event: HistoryEvent) => ({
  history_event_id: event.id,
  current_instance_count: event.current_instance_count,
  desired_instance_count: event.desired_instance_count,
  reason: event.reason,
  status: event.status,
  ...(event.error_reason && { error_reason: event.error_reason }),
  created_at: wireTime(event.created_at),
  updated_at: wireTime(event.updated_at),
});
