import { sql } from 'kysely';
import { type Queryable } from '../../store/store.ts';
import { type HostState } from './placement.ts';

/** All hosts, with what is promised of them: for the operator. */
export async function hostStates(db: Queryable): Promise<HostState[]> {
  const { rows } = await sql<HostState>`select * from host_states order by id`.execute(db);
  return rows;
}
