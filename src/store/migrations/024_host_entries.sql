-- What the entries that hosts hold for droplets look like, as a digest: where a version makes others of the same rows, it
-- hands all over anew. Null: by a version that did not say.
alter table cloud add column host_entries text;
