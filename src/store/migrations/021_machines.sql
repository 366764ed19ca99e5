-- Machines that serve a product: a balancer's, a database's. None of them is a droplet, nor is ever shown as one.
-- A host knows them by ids of the same kind as droplets', from which MAC addresses follow too: these lie far below theirs.
create table machines (
  id bigint generated always as identity (start with 1 maxvalue 499999999) primary key,
  nonce text not null default left(gen_random_uuid()::text, 8),
  team_id uuid not null references teams,
  -- Whose it is: the URN of a resource, and what the loop calls that; what is seen of the machine nudges it.
  owner text not null,
  owner_kind text not null,
  owner_id text not null,
  -- Among those of its owner: `node-1`.
  name text not null,
  -- What it does: names the program that brings it to `desired`, and its image.
  role text not null,
  region text not null,
  vpc_id uuid references vpcs,
  vcpus integer not null,
  memory_mib integer not null,
  disk_gib integer not null,
  public_ipv4 inet,
  public_ipv6 inet,
  private_ipv4 inet,
  -- Sealed: the files that are there from its first start, and what its program is told.
  files text,
  desired text,
  generation integer not null default 0,
  -- What its program answered last, to which generation, in which boot.
  observed jsonb,
  applied_generation integer not null default 0,
  applied_boot integer not null default 0,
  -- The golden image that it was made from.
  image_digest text,
  power text not null default 'on' check (power in ('on', 'off')),
  restart text not null default 'always' check (restart in ('always', 'never')),
  boot integer not null default 1,
  -- How often in a row it was started again after it had stopped by itself, and when last.
  restarts integer not null default 0,
  restarted_at timestamptz,
  status text not null default 'new' check (status in ('new', 'active', 'off', 'failed', 'lost')),
  -- For a person: why it could not be made, or is not as it should be.
  reason text,
  -- What it had printed, where it could not be made.
  console text,
  created_at timestamptz not null,
  made_at timestamptz,
  deleted_at timestamptz,
  gone_at timestamptz,
  -- The generation of its entry on the host.
  version bigint not null default nextval('droplet_versions')
);
create unique index machines_name on machines (owner, name) where deleted_at is null;
create index machines_owner on machines (owner);
create index machines_here on machines (id) where gone_at is null;

create function machine_version() returns trigger language plpgsql as $$
begin
  new.version := nextval('droplet_versions');
  return new;
end $$;
create trigger machines_version before update on machines for each row execute function machine_version();
