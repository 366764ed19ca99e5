-- The complete droplet: its disk's generations, images of a team's own, volumes, reserved addresses, backups.

alter table droplets
  -- What the disk is made from; raised by rebuild and restore. `root_done`: the generation that was last seen in
  -- place. 0: no machine was ever made. Together they replace `provisioned`.
  add column root integer not null default 1,
  add column root_done integer not null default 0,
  -- The disk that a resize has made permanent, GiB; the size's own where it is larger.
  add column disk_gib integer,
  -- The root password that the pending action is to set. Cleared when it is set.
  add column new_password text,
  -- What columns were before the pending action changed them: put back where it errs.
  add column undo jsonb,
  -- What the machine had printed on its console when an action on it failed: for the operator.
  add column console text,
  -- Backups: on while a plan is there. Hour and weekday in UTC.
  add column backup_plan text check (backup_plan in ('daily', 'weekly')),
  add column backup_weekday text check (backup_weekday in ('SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT')),
  add column backup_hour integer check (backup_hour in (0, 4, 8, 12, 16, 20)),
  -- When the next backup window opens.
  add column backup_due timestamptz;
update droplets set root_done = 1 where provisioned;
alter table droplets drop column provisioned;

-- Images of a team's own: snapshots and backups of droplets, and what was imported. Ids never meet those of the
-- catalogue of public images (src/cloud/images/catalogue.ts), which stay below 300 million.
create table images (
  id bigint generated always as identity (start with 300000001) primary key,
  team_id uuid not null references teams,
  name text not null,
  description text not null default '',
  distribution text not null default 'Unknown',
  type text not null check (type in ('snapshot', 'backup', 'custom')),
  status text not null check (status in ('NEW', 'pending', 'available', 'error', 'deleted')),
  error_message text not null default '',
  regions text[] not null,
  min_disk_gib integer not null,
  -- Bytes it takes, once known.
  bytes bigint,
  -- Of a snapshot or backup: the droplet it was taken of, which may be gone.
  droplet_id bigint,
  -- Of a custom image: where it comes from.
  url text,
  created_at timestamptz not null,
  deleted_at timestamptz,
  gone_at timestamptz
);
create index images_team on images (team_id, id) where deleted_at is null;
create index images_droplet on images (droplet_id, id) where deleted_at is null;

create table volumes (
  id uuid primary key default gen_random_uuid(),
  team_id uuid not null references teams,
  region text not null,
  name text not null,
  description text not null default '',
  size_gib integer not null,
  -- Made on it when it is new; empty: none.
  filesystem_type text not null default '' check (filesystem_type in ('', 'ext4', 'xfs')),
  filesystem_label text not null default '',
  -- The volume snapshot it is made from.
  snapshot_id uuid,
  -- Desired: the droplet it hangs on.
  droplet_id bigint references droplets,
  pending_action_id bigint,
  created_at timestamptz not null,
  deleted_at timestamptz,
  gone_at timestamptz,
  -- Rises with every change: the generation for its host.
  version bigint not null default nextval('droplet_versions')
);
create unique index volumes_name on volumes (team_id, region, name) where deleted_at is null;
create index volumes_team on volumes (team_id, created_at, id) where deleted_at is null;
create index volumes_droplet on volumes (droplet_id) where droplet_id is not null and deleted_at is null;

create table volume_snapshots (
  id uuid primary key default gen_random_uuid(),
  team_id uuid not null references teams,
  -- The volume may be gone; its snapshots stay.
  volume_id uuid not null,
  region text not null,
  name text not null,
  size_gib integer not null,
  filesystem_type text not null default '',
  filesystem_label text not null default '',
  status text not null default 'pending' check (status in ('pending', 'available', 'error')),
  -- Bytes it takes, once known.
  bytes bigint,
  created_at timestamptz not null,
  deleted_at timestamptz,
  gone_at timestamptz
);
create index volume_snapshots_team on volume_snapshots (team_id, created_at, id) where deleted_at is null;
create index volume_snapshots_volume on volume_snapshots (volume_id) where deleted_at is null;

-- Reserved addresses, v4 and v6 alike. A row lives while a team holds the address.
create table reserved_ips (
  ip inet primary key,
  team_id uuid not null references teams,
  region text not null,
  -- Desired: the droplet that answers at it.
  droplet_id bigint references droplets,
  -- A number that actions can name, since their resource_id is an integer for clients.
  number bigint generated always as identity (start with 700001) unique,
  pending_action_id bigint,
  created_at timestamptz not null,
  deleted_at timestamptz,
  version bigint not null default nextval('droplet_versions')
);
create index reserved_ips_team on reserved_ips (team_id, created_at);
create unique index reserved_ips_droplet on reserved_ips (droplet_id, family(ip)) where droplet_id is not null;

-- What a droplet's view and its host's entry show of other tables changes the droplet, and wakes it.
create function touch_droplet(droplet bigint) returns void language sql as $$
  update droplets set version = version where id = droplet;
$$;
create function neighbour_changed() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' and old.droplet_id is not null then perform touch_droplet(old.droplet_id); end if;
  if tg_op <> 'DELETE' and new.droplet_id is not null and (tg_op = 'INSERT' or new.droplet_id is distinct from old.droplet_id)
  then perform touch_droplet(new.droplet_id); end if;
  return null;
end $$;
create trigger volume_touches after insert or update or delete on volumes
  for each row execute function neighbour_changed();
create trigger image_touches after insert or update or delete on images
  for each row execute function neighbour_changed();
create trigger reserved_ip_touches after insert or update or delete on reserved_ips
  for each row execute function neighbour_changed();

-- Droplets show the image they were made from.
create function image_changed() returns trigger language plpgsql as $$
begin
  update droplets set version = version where image_id = new.id and deleted_at is null;
  return null;
end $$;
create trigger image_changed after update
  of name, description, distribution, type, regions, min_disk_gib, bytes, status, error_message, deleted_at on images
  for each row execute function image_changed();
create or replace function tagging_changed() returns trigger language plpgsql as $$
declare
  t record := coalesce(new, old);
begin
  if t.resource_type = 'droplet' then
    update droplets set version = version where id = t.resource_id::bigint;
    perform wake('droplet', t.resource_id, t.tagged_at);
  elsif t.resource_type = 'image' then
    update droplets set version = version where image_id = t.resource_id::bigint and deleted_at is null;
  end if;
  return null;
end $$;
create index droplets_image on droplets (image_id) where deleted_at is null;

create function version_rises() returns trigger language plpgsql as $$
begin
  new.version := nextval('droplet_versions');
  return new;
end $$;
create trigger volume_version before update on volumes for each row execute function version_rises();
create trigger reserved_ip_version before update on reserved_ips for each row execute function version_rises();

-- Droplets destroyed together with what belongs to them: what was asked to go, for the status operation.
create table associated_destroys (
  droplet_id bigint primary key references droplets,
  team_id uuid not null references teams,
  resources jsonb not null,
  started_at timestamptz not null
);

-- Autoscale pools of droplets.
create table autoscale_pools (
  id uuid primary key default gen_random_uuid(),
  team_id uuid not null references teams,
  user_id uuid not null,
  token_id uuid not null,
  name text not null,
  config jsonb not null,
  template jsonb not null,
  status text not null default 'active' check (status in ('active', 'deleting', 'error')),
  -- When its size was last changed: the cooldown runs from here.
  last_scaled_at timestamptz,
  -- The newest droplet when the template was last changed: members up to it are to be replaced.
  template_after bigint not null default 0,
  -- The last sample of its members' load. See src/cloud/autoscale/usage.ts.
  usage jsonb,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  deleted_at timestamptz
);
create index autoscale_pools_team on autoscale_pools (team_id, created_at) where deleted_at is null;
alter table droplets add column autoscale_pool_id uuid references autoscale_pools;
create index droplets_pool on droplets (autoscale_pool_id) where autoscale_pool_id is not null and deleted_at is null;

-- A pool looks at once when a member comes, goes or changes. The droplet's birth stands for "due at once".
create function member_changed() returns trigger language plpgsql as $$
begin
  perform wake('autoscale', new.autoscale_pool_id::text, new.created_at);
  return null;
end $$;
create trigger member_changed after update of status, deleted_at, pending_action_id on droplets for each row
  when (new.autoscale_pool_id is not null and (old.status, old.deleted_at, old.pending_action_id)
    is distinct from (new.status, new.deleted_at, new.pending_action_id))
  execute function member_changed();
create table autoscale_history (
  id uuid primary key default gen_random_uuid(),
  pool_id uuid not null references autoscale_pools,
  current_instance_count integer not null,
  desired_instance_count integer not null,
  reason text not null,
  status text not null,
  error_reason text not null default '',
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index autoscale_history_pool on autoscale_history (pool_id, created_at desc);
