-- Who has an address is said by a URN, `do:droplet:<id>` or another product's, or is the word `quarantine` (-1 before).
-- The table is written anew, once: no more than updating its rows in use would cost where most are, and no dead row is
-- left. It is locked meanwhile, about two seconds for half a million rows; this is the first lock, so nobody waits in a
-- circle.
drop index addresses_free, addresses_droplet;
alter table addresses alter column droplet_id type text using
  case when droplet_id = -1 then 'quarantine' else 'do:droplet:' || droplet_id end;
alter table addresses rename column droplet_id to owner;
create index addresses_free on addresses (pool, released_at nulls first, ip) where owner is null;
create index addresses_owner on addresses (owner) where owner is not null;
-- What was known of the column's values went with its type.
analyze addresses;
