/** The droplets of a pool. */
import { sql } from 'kysely';
import type { Queryable } from '../../store/store.ts';
import { wireTime } from '../wire-time.ts';
import type { PoolUsage } from './load.ts';

export interface Member {
  id: number;
  nonce: string;
  size: string;
  status: string;
  created_at: Date;
  /** When it last changed by an action. */
  updated_at: Date;
  pending_action_id: number | null;
  /** 0: its machine was never made. */
  root_done: number;
  /** The pool has told it to shut down: it is on its way out. */
  leaving: boolean;
}

/** Only a pool shuts a droplet down in nobody's name. */
const isLeaving = sql<boolean>`exists (select from actions where resource_type = 'droplet'
  and resource_id = droplets.id::text and type = 'shutdown' and user_id is null)`;
const lastAction = sql<Date>`coalesce((select coalesce(completed_at, started_at) from actions
  where resource_type = 'droplet' and resource_id = droplets.id::text order by actions.id desc limit 1),
  droplets.created_at)`;

/** The members of a pool, oldest first. */
export const selectMembers = (db: Queryable, poolId: string) =>
  db
    .selectFrom('droplets')
    .where('autoscale_pool_id', '=', poolId)
    .where('deleted_at', 'is', null)
    .select(['id', 'nonce', 'size', 'status', 'created_at', 'pending_action_id', 'root_done'])
    .select([isLeaving.as('leaving'), lastAction.as('updated_at')])
    .orderBy('id');

/** All members of a pool. */
export const poolMembers = (db: Queryable, poolId: string): Promise<Member[]> =>
  selectMembers(db, poolId).execute();

/** Its create action has errored: nothing of it is in any engine. */
export const neverMade = (member: Member): boolean =>
  member.root_done === 0 && member.pending_action_id === null;

/** Its machine is still being made. */
export const isProvisioning = (member: Member): boolean => member.status === 'new' && !neverMade(member);

/** A member as clients see it. */
export function memberView(member: Member, usage: PoolUsage | null) {
  const load = usage?.members[member.id];
  return {
    droplet_id: member.id,
    created_at: wireTime(member.created_at),
    updated_at: wireTime(member.updated_at),
    ...health(member),
    status: statusOf(member),
    current_utilization: {
      ...(load?.memory !== undefined && { memory: load.memory }),
      ...(load?.cpu !== undefined && { cpu: load.cpu }),
    },
  };
}

function statusOf(member: Member): 'provisioning' | 'active' | 'deleting' | 'off' {
  if (member.leaving) return 'deleting';
  if (isProvisioning(member)) return 'provisioning';
  return member.status === 'active' ? 'active' : 'off';
}

function health(member: Member) {
  if (neverMade(member))
    return { health_status: 'unhealthy' as const, unhealthy_reason: 'The Droplet could not be created.' };
  if (statusOf(member) === 'off')
    return { health_status: 'unhealthy' as const, unhealthy_reason: 'The Droplet is powered off.' };
  return { health_status: 'healthy' as const };
}
