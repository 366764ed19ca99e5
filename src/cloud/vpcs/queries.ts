import type { Selectable } from 'kysely';
import type { Vpcs } from '../../store/schema.ts';
import type { Queryable } from '../../store/store.ts';

export type Vpc = Selectable<Vpcs>;

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The team's VPC with this id; undefined when it has none, and when the text cannot be an id. */
export async function findVpc(db: Queryable, teamId: string, id: string): Promise<Vpc | undefined> {
  if (!uuid.test(id)) return undefined;
  return db
    .selectFrom('vpcs')
    .selectAll()
    .where('team_id', '=', teamId)
    .where('id', '=', id)
    .executeTakeFirst();
}
