-- Nothing is destroyed on a guess: which cloud this is, what the engines hold that has no row, and names that never
-- come twice.

-- One row: which cloud this database is the truth of. The engines of its home bear the same id; see
-- src/control/cloud-id.ts.
create table cloud (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now(),
  only_one boolean not null default true unique check (only_one)
);
insert into cloud default values;

-- Part of the engine's names of machines and disks. After a restore of an older dump an id may be given a second time:
-- by its nonce, what was made for the first one is never taken for the second one's. Rows of before have none.
alter table droplets add column nonce text not null default '';
alter table droplets alter column nonce set default left(gen_random_uuid()::text, 8);
alter table images add column nonce text not null default '';
alter table images alter column nonce set default left(gen_random_uuid()::text, 8);

-- What the engines hold and no row explains. Written by the sweep; nothing in it is ever changed or deleted in an
-- engine, but by `atoll orphans`.
create table quarantined (
  kind text not null,
  -- The engine's name of it, an id or an address.
  name text not null,
  urn text not null,
  found_at timestamptz not null,
  primary key (kind, name)
);

-- What is not gone, and what is: the sweep and the purge read no more than they need.
create index droplets_here on droplets (id) where gone_at is null;
create index droplets_gone on droplets (gone_at) where gone_at is not null;
create index images_here on images (id) where gone_at is null;
create index images_gone on images (gone_at) where gone_at is not null;
create index volumes_here on volumes (id) where gone_at is null;
create index volumes_gone on volumes (gone_at) where gone_at is not null;
create index volume_snapshots_here on volume_snapshots (id) where gone_at is null;
create index volume_snapshots_gone on volume_snapshots (gone_at) where gone_at is not null;
create index actions_ended on actions (completed_at) where completed_at is not null;
create index audit_at on audit (at);
