/** Reserved addresses as clients see them. */
import type { Static } from 'typebox';
import type { Caller } from '../../base/caller.ts';
import type { Queryable } from '../../store/store.ts';
import type { CloudContext } from '../context.ts';
import { type DropletSchema, dropletViews } from '../droplets/index.ts';
import { regionView } from '../regions/index.ts';
import { wireTime } from '../wire-time.ts';
import type { ReservedIpRow } from './row.ts';
import type { ReservedIpSchema, ReservedIpv6Schema } from './schema.ts';

type DropletView = Static<typeof DropletSchema>;

export type Droplets = ReadonlyMap<number, DropletView>;

/**
 * The droplets that these addresses lead to: only those whose address is in force, and only for a caller who may see
 * droplets.
 */
export async function dropletsAt(
  db: Queryable,
  caller: Caller,
  rows: ReservedIpRow[],
  context: CloudContext,
): Promise<Droplets> {
  if (!caller.scopes.some((scope) => scope === '*' || scope === 'droplet:read')) return new Map();
  const ids = rows.flatMap((row) =>
    row.droplet_id === null || row.pending_action_id !== null ? [] : [row.droplet_id],
  );
  const views = await dropletViews(context)(db, ids);
  return new Map(views.map((view) => [view.id, view]));
}

const dropletOf = (row: ReservedIpRow, droplets: Droplets): DropletView | null =>
  (row.droplet_id !== null && droplets.get(row.droplet_id)) || null;

export const reservedIpView = (row: ReservedIpRow, droplets: Droplets): Static<typeof ReservedIpSchema> => ({
  ip: row.ip,
  region: regionView(row.region),
  droplet: dropletOf(row, droplets),
  locked: row.pending_action_id !== null,
  project_id: defaultProject(row.team_id),
});

export const reservedIpv6View = (
  row: ReservedIpRow,
  droplets: Droplets,
): Static<typeof ReservedIpv6Schema> => ({
  ip: row.ip,
  region_slug: row.region,
  reserved_at: wireTime(row.created_at),
  droplet: dropletOf(row, droplets),
});

/** The id of a team's default project, in which everything is: the team's own. */
export const defaultProject = (teamId: string): string => teamId;
