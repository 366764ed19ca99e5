-- Lists of droplets that cost the same anywhere, and fewer writes for each backup.

-- A droplet's version is in no index: its updates stay within their page (heap-only tuples), and write no index.
drop index droplets_team;
create index droplets_team on droplets (team_id, id) where deleted_at is null;
-- Room for the same in these: each row is updated soon after it was made.
alter table images set (fillfactor = 80);
alter table actions set (fillfactor = 80);

-- A droplet shows the images that are there. One that is still being taken changes nothing of it, nor does the end
-- of what the engine had of one.
drop trigger image_touches on images;
create function shown_by(image images) returns bigint language sql immutable as $$
  select case when image.status = 'available' and image.deleted_at is null then image.droplet_id end;
$$;
create trigger new_image_touches after insert on images
  for each row when (shown_by(new) is not null) execute function neighbour_changed();
create trigger image_touches after update of droplet_id, status, deleted_at on images
  for each row when (shown_by(old) is distinct from shown_by(new)) execute function neighbour_changed();

-- Two connections in one slot wait for each other's commits: in 32 slots mostly some two of 8 connections did.
create function counter_slot() returns smallint language sql as $$
  select (pg_backend_pid() % 128)::smallint;
$$;
create or replace function count_actions() returns trigger language plpgsql as $$
begin
  insert into counters as c (team_id, kind, slot, n)
  select team_id, 'action', counter_slot(), count(*) from added group by team_id
  on conflict (team_id, kind, slot) do update set n = c.n + excluded.n;
  return null;
end $$;

-- How many droplets a list has in each block of 2048 ids: a page that begins anywhere is found by adding up blocks and
-- skipping less than one. Spread over slots like `counters`, whose droplets these are from now on.
create table droplet_blocks (
  -- A team's id, or `tag:<id>`.
  list text not null,
  -- id / 2048
  block bigint not null,
  slot smallint not null,
  n bigint not null,
  primary key (list, block, slot)
) with (fillfactor = 50);

create function count_in_block(list text, block bigint, difference bigint) returns void language sql as $$
  insert into droplet_blocks as b (list, block, slot, n) values (list, block, counter_slot(), difference)
  on conflict on constraint droplet_blocks_pkey do update set n = b.n + excluded.n;
$$;

create or replace function count_droplets() returns trigger language plpgsql as $$
declare
  difference integer := (new.deleted_at is null)::int;
begin
  if tg_op = 'UPDATE' then difference := difference - (old.deleted_at is null)::int; end if;
  if difference <> 0 then perform count_in_block(new.team_id::text, new.id / 2048, difference); end if;
  return null;
end $$;
insert into droplet_blocks (list, block, slot, n)
  select team_id::text, id / 2048, 0, count(*) from droplets where deleted_at is null group by 1, 2;
delete from counters where kind = 'droplet';

-- Pages of the droplets with a tag. One that is gone has none.
delete from taggings where resource_type = 'droplet'
  and resource_id::bigint in (select id from droplets where deleted_at is not null);
create index taggings_droplets on taggings (tag_id, (resource_id::bigint)) where resource_type = 'droplet';
create function count_tagged() returns trigger language plpgsql as $$
begin
  perform count_in_block('tag:' || tag_id, block, n * case tg_op when 'INSERT' then 1 else -1 end)
  from (
    select tag_id, resource_id::bigint / 2048 as block, count(*) as n from changed
    where resource_type = 'droplet' group by 1, 2 order by 1, 2
  ) blocks;
  return null;
end $$;
create trigger count_tagged after insert on taggings
  referencing new table as changed for each statement execute function count_tagged();
create trigger count_untagged after delete on taggings
  referencing old table as changed for each statement execute function count_tagged();
insert into droplet_blocks (list, block, slot, n)
  select 'tag:' || tag_id, resource_id::bigint / 2048, 0, count(*) from taggings
  where resource_type = 'droplet' group by 1, 2;

-- At the end of the transaction: what its droplets lose with it is counted after the statement that deletes the tag.
create function forget_blocks() returns trigger language plpgsql as $$
begin
  delete from droplet_blocks where list = 'tag:' || old.id;
  return null;
end $$;
create constraint trigger tag_forgotten after delete on tags deferrable initially deferred
  for each row execute function forget_blocks();
