-- The control plane's truth. Times are the control plane's clock, never the database's, but for leases.

create table teams (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  droplet_limit integer not null default 10000,
  volume_limit integer not null default 1000,
  reserved_ip_limit integer not null default 100,
  created_at timestamptz not null
);

create table users (
  id uuid primary key default gen_random_uuid(),
  team_id uuid not null references teams,
  email text not null unique,
  name text not null,
  created_at timestamptz not null
);

-- Bearer tokens. 256 random bits each, so a plain SHA-256 of them cannot be reversed or guessed.
create table tokens (
  id uuid primary key default gen_random_uuid(),
  team_id uuid not null references teams,
  user_id uuid not null references users,
  name text not null,
  hash bytea not null unique,
  scopes text[] not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);
create index tokens_team on tokens (team_id);

-- Every change: who, by which token, what. Written in the transaction of the change.
create table audit (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  team_id uuid not null,
  user_id uuid not null,
  token_id uuid not null,
  request_id text not null,
  operation text not null,
  urn text
);
create index audit_team on audit (team_id, id);

-- Work for the control loop: resource `kind`/`id` is dirty while done < wanted. See src/control/reconcile.ts.
create table reconcile (
  kind text not null,
  id text not null,
  wanted bigint not null default 1,
  done bigint not null default 0,
  due timestamptz not null,
  attempts integer not null default 0,
  owner integer,
  lease_until timestamptz,
  last_error text,
  primary key (kind, id)
) with (fillfactor = 70);
create index reconcile_dirty on reconcile (due) where done < wanted and owner is null;
create index reconcile_owned on reconcile (owner) where owner is not null;

-- Marks a resource dirty and wakes the loops once the transaction commits. In plpgsql, which keeps its plans.
create function wake(kind text, id text, at timestamptz) returns void language plpgsql as $$
begin
  insert into reconcile as r (kind, id, due) values (kind, id, at)
  on conflict on constraint reconcile_pkey
  do update set wanted = r.wanted + 1, due = least(r.due, excluded.due), attempts = 0;
  perform pg_notify('atoll_wake', kind);
end $$;

-- Something that was asked of a resource, and how it went.
create table actions (
  id bigint generated always as identity (start with 36800001) primary key,
  team_id uuid not null references teams,
  type text not null,
  status text not null default 'in-progress' check (status in ('in-progress', 'completed', 'errored')),
  resource_type text not null,
  resource_id text not null,
  region text,
  started_at timestamptz not null,
  completed_at timestamptz,
  -- For a person: why it errored.
  message text,
  user_id uuid,
  token_id uuid,
  check ((status = 'in-progress') = (completed_at is null))
);
create index actions_team on actions (team_id, id desc);
create index actions_resource on actions (resource_type, resource_id, id desc);

create table ssh_keys (
  id bigint generated always as identity (start with 41000001) primary key,
  team_id uuid not null references teams,
  name text not null,
  public_key text not null,
  fingerprint text not null,
  created_at timestamptz not null,
  unique (team_id, fingerprint)
);

create table tags (
  id bigint generated always as identity primary key,
  team_id uuid not null references teams,
  name text not null,
  created_at timestamptz not null
);
create unique index tags_name on tags (team_id, lower(name));

create table taggings (
  tag_id bigint not null references tags on delete cascade,
  resource_type text not null,
  resource_id text not null,
  tagged_at timestamptz not null,
  primary key (tag_id, resource_type, resource_id)
);
create index taggings_resource on taggings (resource_type, resource_id);

create table vpcs (
  id uuid primary key default gen_random_uuid(),
  team_id uuid not null references teams,
  region text not null,
  name text not null,
  description text not null default '',
  ip_range cidr not null,
  is_default boolean not null,
  created_at timestamptz not null,
  unique (team_id, name)
);
create unique index vpcs_default on vpcs (team_id, region) where is_default;

-- Address pools: `public`, and `vpc:<id>` each. Rows of `addresses` are made in chunks as a pool is used, so that
-- concurrent creates each lock a row of their own (skip locked) and never the pool.
create table address_pools (
  pool text primary key,
  range cidr not null,
  -- Offset in the range of the next address that has no row yet.
  next bigint not null
);
create table addresses (
  pool text not null references address_pools on delete cascade,
  ip inet not null,
  droplet_id bigint,
  -- Addresses that were free longest are given out first: a stale peer should not meet a new droplet at once.
  released_at timestamptz,
  primary key (pool, ip)
);
create index addresses_free on addresses (pool, released_at nulls first, ip) where droplet_id is null;
create index addresses_droplet on addresses (droplet_id) where droplet_id is not null;

create sequence droplet_versions;
create table droplets (
  id bigint generated always as identity (start with 510000001) primary key,
  team_id uuid not null references teams,
  name text not null,
  region text not null,
  size text not null,
  image_id bigint not null,
  vpc_id uuid not null references vpcs,
  features text[] not null,
  user_data text,
  public_keys text[] not null,
  public_ipv4 inet not null,
  public_ipv6 inet,
  private_ipv4 inet not null,
  created_at timestamptz not null,
  -- Desired.
  power text not null default 'on' check (power in ('on', 'off')),
  boot integer not null default 1,
  -- How a stop is to be done: the operating system is asked, or the plug is pulled.
  stop text not null default 'graceful' check (stop in ('graceful', 'force')),
  deleted_at timestamptz,
  pending_action_id bigint,
  -- Observed.
  status text not null default 'new' check (status in ('new', 'active', 'off')),
  -- The engine has made the machine once: if it is absent now, it was lost, and is not silently made anew.
  provisioned boolean not null default false,
  -- Nothing of it is left in any engine.
  gone_at timestamptz,
  -- Rises with every change of what a client or the host sees of it; never goes back.
  version bigint not null default nextval('droplet_versions')
) with (fillfactor = 80);
create index droplets_team on droplets (team_id, id) include (version) where deleted_at is null;
create index droplets_name on droplets (team_id, name) where deleted_at is null;
create index droplets_vpc on droplets (vpc_id) where deleted_at is null;

create function droplet_changed() returns trigger language plpgsql as $$
begin
  new.version := nextval('droplet_versions');
  return new;
end $$;
create trigger droplet_changed before update on droplets for each row execute function droplet_changed();

-- A droplet shows its tags: tagging changes it, and its host must hear of it.
create function tagging_changed() returns trigger language plpgsql as $$
declare
  t record := coalesce(new, old);
begin
  if t.resource_type = 'droplet' then
    update droplets set version = version where id = t.resource_id::bigint;
    perform wake('droplet', t.resource_id, t.tagged_at);
  end if;
  return null;
end $$;
create trigger tagging_changed after insert or delete on taggings for each row execute function tagging_changed();

-- How many of each a team has, for `meta.total` at the same cost for 100 and for 100,000. Spread over slots, so
-- that concurrent creates seldom wait for one another; the sum over the slots is the count.
create table counters (
  team_id uuid not null references teams,
  kind text not null,
  slot smallint not null,
  n bigint not null,
  primary key (team_id, kind, slot)
) with (fillfactor = 50);

create function count_droplets() returns trigger language plpgsql as $$
declare
  team uuid;
  difference integer := 0;
begin
  if tg_op = 'INSERT' then
    team := new.team_id;
    difference := case when new.deleted_at is null then 1 else 0 end;
  else
    team := new.team_id;
    difference := (new.deleted_at is null)::int - (old.deleted_at is null)::int;
  end if;
  if difference <> 0 then
    insert into counters as c (team_id, kind, slot, n) values (team, 'droplet', pg_backend_pid() % 32, difference)
    on conflict (team_id, kind, slot) do update set n = c.n + excluded.n;
  end if;
  return null;
end $$;
create trigger count_droplets after insert or update of deleted_at on droplets
  for each row execute function count_droplets();

create function count_actions() returns trigger language plpgsql as $$
begin
  insert into counters as c (team_id, kind, slot, n)
  select team_id, 'action', pg_backend_pid() % 32, count(*) from added group by team_id
  on conflict (team_id, kind, slot) do update set n = c.n + excluded.n;
  return null;
end $$;
create trigger count_actions after insert on actions
  referencing new table as added for each statement execute function count_actions();
