-- The operator wants it removed, and only the control plane can do it: in the simulated mode, whose world lives in it.
alter table quarantined add column removal boolean not null default false;

-- Whether a snapshot of a volume may be purged depends on the volumes that are made from it.
create index volumes_snapshot on volumes (snapshot_id) where snapshot_id is not null;
