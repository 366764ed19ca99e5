-- A volume that was made is never made again: its bytes were seen whole at `made_at`. Where they are not found after
-- that, since `missing_at`, nothing is made in their place; a snapshot's `missing_at` is the same.
alter table volumes add column made_at timestamptz, add column missing_at timestamptz;
alter table volume_snapshots add column missing_at timestamptz;

-- Those of before count as made, but for the ones that the loop has not come to yet.
update volumes v set made_at = v.created_at
where v.gone_at is null and (
  not exists (select from reconcile r where r.kind = 'volume' and r.id = v.id::text and r.wanted > r.done)
  or (v.droplet_id is not null and v.pending_action_id is null)
  or exists (select from volume_snapshots s where s.volume_id = v.id and s.status = 'available')
);

-- For the operator, who is told of all of them.
create index volumes_missing on volumes (missing_at) where missing_at is not null and gone_at is null;
create index volume_snapshots_missing on volume_snapshots (missing_at) where missing_at is not null and gone_at is null;
