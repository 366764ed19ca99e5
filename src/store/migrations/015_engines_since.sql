-- Since when there are engines that bear the cloud's id. From then on engines that bear none are others: those of a
-- second home that was given this database, or made anew.
alter table cloud add column engines_since timestamptz;
