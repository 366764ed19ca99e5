-- Images handed from one team to another. A transfer changes only while its image's row is locked.
create table image_transfers (
  id bigint generated always as identity (start with 3100001) primary key,
  image_id bigint not null references images,
  -- The sender's.
  team_id uuid not null references teams,
  -- Whom it is offered to: a team, or whoever has this address. Of one that was accepted, where the image went.
  recipient_team_id uuid references teams,
  recipient_email text,
  status text not null default 'pending' check (status in ('pending', 'accepted', 'declined', 'cancelled')),
  created_at timestamptz not null,
  ended_at timestamptz,
  check ((status = 'pending') = (ended_at is null)),
  check (recipient_team_id is not null or recipient_email is not null)
);
create unique index image_transfers_pending on image_transfers (image_id) where status = 'pending';

-- Droplets show the image they were made from, and of another team's not all.
create or replace trigger image_changed after update
  of team_id, name, description, distribution, type, regions, min_disk_gib, bytes, status, error_message, deleted_at
  on images for each row execute function image_changed();
