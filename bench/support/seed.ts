import type { BenchAtoll } from './atoll.ts';
import { call } from './atoll.ts';
import { droplet, untilSettled } from './droplets.ts';

/** The tag of the first 10 droplets, and that of every tenth. */
export const [rareTag, commonTag] = ['rare', 'common'];

/**
 * Fills a fresh simulated Atoll with droplets that are up, as if they had been ordered one by one long ago: `count`
 * in all. Their names are `seed-N`. The engine knows nothing of them but the first, so
 * nothing may be asked of the others.
 */
export async function seedDroplets(atoll: BenchAtoll, count: number): Promise<void> {
  const { database } = atoll;
  await database.query('update teams set droplet_limit = 1000000');
  await call(atoll, 'POST', '/v2/droplets', { ...droplet, name: 'seed-0', tags: [rareTag, commonTag] });
  await untilSettled(atoll);
  // The first one is the pattern; addresses beyond the ranges of its networks do not matter to a list.
  await database.query(
    `with made as (
       insert into droplets (team_id, name, region, size, image_id, vpc_id, features, public_keys,
         public_ipv4, private_ipv4, created_at, status, root_done)
       select team_id, 'seed-' || n, region, size, image_id, vpc_id, features, public_keys,
         public_ipv4 + n, private_ipv4 + n, created_at, status, root_done
       from droplets, generate_series(1, $1::int - 1) n
       returning id, team_id, region, public_ipv4, private_ipv4, vpc_id, created_at
     ), outside as (
       insert into addresses (pool, ip, owner) select 'public', public_ipv4, 'do:droplet:' || id from made
       on conflict (pool, ip) do update set owner = excluded.owner
     ), inside as (
       insert into addresses (pool, ip, owner) select 'vpc:' || vpc_id, private_ipv4, 'do:droplet:' || id from made
       on conflict (pool, ip) do update set owner = excluded.owner
     )
     insert into actions (team_id, type, status, resource_type, resource_id, region, started_at, completed_at)
     select team_id, 'create', 'completed', 'droplet', id::text, region, created_at, created_at from made`,
    [count],
  );
  // One transaction: the loop, which is woken for each, has nothing to do about them.
  await database.query(
    `insert into taggings (tag_id, resource_type, resource_id, tagged_at)
     select tags.id, 'droplet', d.id::text, d.created_at
     from tags, (select *, row_number() over (order by id) as place from droplets) d
     where case tags.name when '${rareTag}' then place <= 10 else place % 10 = 1 end
     on conflict do nothing;
     update reconcile set done = wanted`,
  );
  // They were counted as by eight connections that had each ordered some of every block.
  await database.query(
    `insert into droplet_blocks (list, block, slot, n)
     select list, block, other, 0 from droplet_blocks, generate_series(0, 7) other
     on conflict do nothing`,
  );
  // What autovacuum and the checkpointer do within minutes.
  await database.query('vacuum (analyze)');
  await database.query('checkpoint');
}
