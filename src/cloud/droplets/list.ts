/** Which droplets a list shows, and how many there are in all. */
import type pg from 'pg';
import type { Page } from '../../http/pagination.ts';

export interface Listed {
  id: number;
  version: number;
}

export interface DropletFilter {
  teamId: string;
  name?: string;
  tag?: string;
}

/**
 * One page of a team's droplets, oldest first, as ids and versions, and the total. Without a filter the total
 * comes from the counters and the rows from an index alone, read from the nearer end: the first and the last page
 * cost the same beside 100,000 others.
 */
export async function listDroplets(
  pool: pg.Pool,
  filter: DropletFilter,
  page: Page,
): Promise<{ listed: Listed[]; total: number }> {
  const statement = statementFor(filter, page);
  const { rows } = await pool.query<{ id: number | null; version: number; total: number }>(statement);
  return {
    listed: rows.flatMap(({ id, version }) => (id === null ? [] : [{ id, version }])),
    total: rows[0]?.total ?? 0,
  };
}

function statementFor({ teamId, name, tag }: DropletFilter, page: Page): pg.QueryConfig {
  const values = [teamId, page.limit, page.offset];
  if (tag !== undefined) {
    return {
      name: 'droplets-by-tag',
      text: paged(
        `select d.id, d.version from taggings t join tags on tags.id = t.tag_id
          join droplets d on d.id = t.resource_id::bigint
        where tags.team_id = $1 and lower(tags.name) = lower($4) and t.resource_type = 'droplet'
          and d.team_id = $1 and d.deleted_at is null`,
        '(select count(*) from matching)',
      ),
      values: [...values, tag],
    };
  }
  if (name !== undefined) {
    return {
      name: 'droplets-by-name',
      text: paged(
        'select id, version from droplets where team_id = $1 and name = $4 and deleted_at is null',
        '(select count(*) from matching)',
      ),
      values: [...values, name],
    };
  }
  return { name: 'droplets-all', text: allDroplets, values };
}

/**
 * One of `ahead` and `back` has a limit of 0, and is then not even begun. All limits and offsets are subqueries, so
 * that PostgreSQL sees nothing to gain by planning anew for each page.
 */
const allDroplets = `
  with counted as materialized (
    select coalesce(sum(n), 0)::bigint as total from counters where team_id = $1 and kind = 'droplet'
  ), ahead as (
    select id, version from droplets where team_id = $1 and deleted_at is null order by id
    limit (select case when 2 * $3::bigint <= total then $2::bigint else 0 end from counted)
    offset (select $3::bigint)
  ), back as (
    select id, version from droplets where team_id = $1 and deleted_at is null order by id desc
    limit (select case when 2 * $3::bigint > total then least($2::bigint, greatest(total - $3, 0)) else 0 end
      from counted)
    offset (select greatest(total - $3 - $2, 0) from counted)
  )
  select page.id, page.version, counted.total
  from counted left join (select * from ahead union all select * from back) page on true
  order by page.id`;

/** A row is always there, for the total, also where the page is empty. */
const paged = (matching: string, total: string): string => `
  with matching as not materialized (${matching})
  select page.id, page.version, counted.total
  from (select ${total} as total) counted
  left join (select id, version from matching order by id limit $2 offset $3) page on true
  order by page.id`;
