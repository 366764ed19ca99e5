-- Images that the operator has added under a public slug: one of the catalogue or a new one. A row is one build, written
-- before anything of it is in the engine, and stays when it is replaced or removed: droplets show what they were made of.
create sequence public_image_ids start with 900000001;

create table public_images (
  number bigint generated always as identity primary key,
  -- The API's: the catalogue's, or one of `public_image_ids`, the same for all builds of a slug.
  id bigint not null,
  slug text not null check (slug ~ '^[a-z0-9]+([.-][a-z0-9]+)*$'),
  nonce text not null default left(gen_random_uuid()::text, 8),
  name text not null,
  distribution text not null,
  min_disk_gib integer not null default 1,
  -- What it takes unpacked.
  bytes bigint,
  -- Where it came from, and the suite and mirror, the address or the file's name.
  origin text not null check (origin in ('suite', 'url', 'file', 'simulated')),
  source text not null,
  created_at timestamptz not null,
  -- Since when it can be ordered.
  ready_at timestamptz,
  -- When it was removed, replaced, or given up.
  gone_at timestamptz
);
-- One build of a slug is the one that is ordered.
create unique index public_images_one on public_images (slug) where ready_at is not null and gone_at is null;
create index public_images_id on public_images (id);
