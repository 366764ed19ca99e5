/** Which droplets a list shows, and how many there are in all. */
import type pg from 'pg';
import type { Listed } from '../../http/list.ts';
import type { Page } from '../../http/pagination.ts';
import { selectPage } from '../../store/page.ts';
import type { Queryable } from '../../store/store.ts';

/** A droplet as a list finds it: what is shown of it is rendered once for each version. */
export interface DropletVersion {
  id: number;
  version: number;
}

export interface DropletFilter {
  teamId: string;
  name?: string;
  tag?: string;
}

/**
 * One page of a team's droplets, oldest first, as ids and versions, and the total. Where the page begins is found by
 * the counts of blocks of ids, so that any page, of all droplets or of those with a tag, costs the same beside
 * 100,000 others. By name all that match are counted.
 */
export async function listDroplets(
  pool: pg.Pool,
  filter: DropletFilter,
  page: Page,
): Promise<Listed<DropletVersion>> {
  const statement = statementFor(filter, page);
  const { rows } = await pool.query<{ id: number | null; version: number; total: number }>(statement);
  return {
    rows: rows.flatMap(({ id, version }) => (id === null ? [] : [{ id, version }])),
    total: rows[0]?.total ?? 0,
  };
}

/**
 * One page of the team's droplets on the host of one of them, without it. One region is one host so far: all of the
 * team's other droplets there are neighbours.
 */
export function listNeighbours(
  db: Queryable,
  teamId: string,
  dropletId: number,
  page: Page,
): Promise<Listed<DropletVersion>> {
  const neighbours = db
    .selectFrom('droplets')
    .select(['id', 'version'])
    .where('team_id', '=', teamId)
    .where('deleted_at', 'is', null)
    .where('region', '=', (eb) => eb.selectFrom('droplets').select('region').where('id', '=', dropletId))
    .where('id', '<>', dropletId);
  return selectPage(neighbours.orderBy('id'), page);
}

function statementFor({ teamId, name, tag }: DropletFilter, page: Page): pg.QueryConfig {
  const values = [teamId, page.limit, page.offset];
  if (tag !== undefined) return { name: 'droplets-by-tag', text: byTag, values: [...values, tag] };
  if (name !== undefined) return { name: 'droplets-by-name', text: byName, values: [...values, name] };
  return { name: 'droplets-all', text: all, values };
}

/** How many ids are counted together: as in the triggers of `droplet_blocks`. */
const blockSize = 2048;

/**
 * A page of a list that is counted in blocks. A row is always there, for the total, also where the page is empty.
 * Limits and offsets are subqueries, so that PostgreSQL sees nothing to gain by planning anew for each page; it does
 * not know then how few rows there are, and must not be asked for a join.
 * @param list the list's name in `droplet_blocks`
 * @param ids a query for its ids, `id`, up to the end of its conditions; `from` is the id that the page's block begins with
 */
const counted = (list: string, ids: (from: string) => string): string => `
  with blocks as materialized (
    select block, sum(n) as n from droplet_blocks where list = ${list} group by block
  ), start as (
    select block * ${blockSize} as id, before
    from (select block, n, sum(n) over (order by block) - n as before from blocks) running
    where before <= $3::bigint and $3::bigint < before + n
  ), page as (
    ${ids('(select id from start)')}
    order by id limit (select $2::bigint) offset (select $3::bigint - before from start)
  )
  select page.id, (select version from droplets d where d.id = page.id) as version, counted.total
  from (select coalesce(sum(n), 0)::bigint as total from blocks) counted left join page on true
  order by page.id`;

const all = counted(
  '$1::uuid::text',
  (from) => `select id from droplets where team_id = $1 and deleted_at is null and id >= ${from}`,
);

const tagId = '(select id from tags where team_id = $1 and lower(name) = lower($4))';
const byTag = counted(
  `'tag:' || ${tagId}`,
  (from) => `select resource_id::bigint as id from taggings
    where tag_id = ${tagId} and resource_type = 'droplet' and resource_id::bigint >= ${from}`,
);

const byName = `
  with matching as not materialized (
    select id, version from droplets where team_id = $1 and name = $4 and deleted_at is null
  )
  select page.id, page.version, counted.total
  from (select count(*) as total from matching) counted
  left join (select id, version from matching order by id limit $2 offset $3) page on true
  order by page.id`;
