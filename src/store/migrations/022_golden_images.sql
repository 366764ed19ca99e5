-- Images that machines are made of and that this machine builds itself, by the recipes in src/setup/images/recipes: one
-- row for each that was ever wanted.
create table golden_images (
  -- The recipe's.
  name text primary key,
  -- Wanted whether or not something needs it: the operator's word (`up --with`), or an image that droplets are made of.
  asked boolean not null default false,
  -- When something last needed it, or was made of it.
  used_at timestamptz,
  -- What is being done about it; `ready` and `failed` say how that ended. With a digest it can be had whatever this says.
  phase text not null default 'unused'
    check (phase in ('unused', 'waiting', 'building', 'unpacking', 'ready', 'failed')),
  -- Within the phase, for a person: what the build is busy with, or why it failed.
  message text not null default '',
  since timestamptz not null,
  -- Failures in a row, and when to try again.
  tries integer not null default 0,
  retry_at timestamptz,
  -- What is in this home's engine: a digest of the build and of what this home has added; null: nothing is.
  digest text,
  -- The same of what is being put there.
  wanted text,
  -- The build that `digest` was made of, when that was built, and how many bytes it takes unpacked.
  build text,
  built_at timestamptz,
  bytes bigint,
  -- A build of whose packages the mirror has newer ones: another is to be made. And when that was last looked at.
  outdated text,
  checked_at timestamptz
);
