-- A team's limit of droplets holds for requests at the same time, too; and a page of the droplets with a name reads no
-- more than the page.

-- How many more droplets a team may have. In plpgsql, which keeps its plan.
create function droplet_room(team uuid) returns bigint language plpgsql as $$
begin
  return (select droplet_limit - (select coalesce(sum(n), 0) from droplet_blocks where list = team::text)::bigint
    from teams where id = team);
end $$;

-- Whether a team has room for more droplets, which the caller then makes in this transaction: to be called before it
-- locks anything. Far from the limit any number of transactions make droplets at once, under a lock that they share: all
-- that there can be, one for each connection, find room even if each makes as many as one request may. Nearer to it one
-- makes droplets at a time, after all others have ended. Each statement here sees what was committed before it began.
create function take_droplet_room(team uuid, more integer, most_at_once integer) returns boolean language plpgsql as $$
declare
  key bigint := hashtextextended('droplets of ' || team, 0);
begin
  begin
    perform pg_advisory_xact_lock_shared(key);
    if droplet_room(team) - more >= current_setting('max_connections')::bigint * most_at_once then
      return true;
    end if;
    -- Leaving the block by an error gives the shared lock back: two that kept it would wait for each other below.
    raise exception 'near the limit' using errcode = 'AT001';
  exception when sqlstate 'AT001' then
    null;
  end;
  perform pg_advisory_xact_lock(key);
  return droplet_room(team) >= more;
end $$;

-- In the order that pages have.
drop index droplets_name;
create index droplets_name on droplets (team_id, name, id) where deleted_at is null;
