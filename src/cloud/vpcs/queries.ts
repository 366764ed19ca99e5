import { type RawBuilder, type Selectable, sql } from 'kysely';
import { isUuid } from '../../http/formats.ts';
import type { Vpcs } from '../../store/schema.ts';
import type { Queryable } from '../../store/store.ts';

export type Vpc = Selectable<Vpcs>;

/** The team's VPC with this id; undefined when it has none, and when the text cannot be an id. */
export async function findVpc(db: Queryable, teamId: string, id: string): Promise<Vpc | undefined> {
  if (!isUuid(id)) return undefined;
  return db
    .selectFrom('vpcs')
    .selectAll()
    .where('team_id', '=', teamId)
    .where('id', '=', id)
    .executeTakeFirst();
}

/** SQL for the range of a VPC; null where there is none. `vpc`: the column of its id. */
export const vpcRangeOf = (vpc: string): RawBuilder<string | null> =>
  sql<string | null>`(select ip_range from vpcs v where v.id = ${sql.ref(vpc)})`;
