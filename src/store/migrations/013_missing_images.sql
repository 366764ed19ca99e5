-- Disks that were kept and images that were imported, and that the engine has lost since.
alter table images add column missing_at timestamptz;
create index images_missing on images (missing_at) where missing_at is not null and deleted_at is null;
