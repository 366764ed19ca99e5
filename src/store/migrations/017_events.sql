-- What changed, in the transaction of the change: see src/store/events.ts, which reads it in the order of the commits.
create table events (
  -- Set by the trigger below: its value is the place of the event in the order in which events are read.
  xid xid8 not null default pg_current_xact_id(),
  id bigint generated always as identity,
  at timestamptz not null,
  -- Whose resource it is.
  team_id uuid not null,
  urn text not null,
  kind text not null generated always as (split_part(urn, ':', 2)) stored,
  -- Of the resource, where it has one.
  version bigint,
  change text not null check (change in ('created', 'changed', 'deleted', 'action-ended')),
  action_id bigint,
  -- Who asked for it; null for what the loop did by itself, and for the team at the other end of a transfer.
  user_id uuid,
  token_id uuid,
  primary key (xid, id)
);
create index events_team on events (team_id, xid, id);
create index events_urn on events (urn, xid);

-- An event is read when its transaction, and all that began to write before it, are over. A transaction that began to
-- write early may change a resource after one that began later: it takes that one's place, so that no event is read
-- before an earlier one of the same resource.
create function event_placed() returns trigger language plpgsql as $$
declare
  earlier xid8;
  resource text := substr(new.urn, length(split_part(new.urn, ':', 2)) + 5);
begin
  select xid into earlier from events where urn = new.urn order by xid desc limit 1;
  new.xid := greatest(pg_current_xact_id(), earlier);
  case split_part(new.urn, ':', 2)
    when 'droplet' then select version into new.version from droplets where id = resource::bigint;
    when 'volume' then select version into new.version from volumes where id = resource::uuid;
    when 'reservedip', 'reservedipv6' then
      select version into new.version from reserved_ips where ip = resource::inet;
    else null;
  end case;
  return new;
end $$;
create trigger event_placed before insert on events for each row execute function event_placed();

-- The URN of what an action is about. An address is known to its actions by a number.
create function action_urn(resource_type text, resource_id text) returns text language plpgsql stable as $$
begin
  if resource_type in ('reserved_ip', 'floating_ip', 'reserved_ipv6') then
    return (select case family(ip) when 4 then 'do:reservedip:' else 'do:reservedipv6:' end || host(ip)
      from reserved_ips where number = resource_id::bigint);
  end if;
  return 'do:' || resource_type || ':' || resource_id;
end $$;
