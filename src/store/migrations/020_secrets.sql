-- Secrets that must be readable again are sealed: see src/store/secrets.ts, whose form this is. The domain marks their
-- columns, so that a change of keys finds all of them, and no plain text can be written into one.
create domain sealed as text
  check (value ~ '^\$s1\$[0-9a-f]{8}\$[A-Za-z0-9_.:@/-]{1,200}\$[A-Za-z0-9_-]{16}\$[A-Za-z0-9_-]{22}\$[A-Za-z0-9_-]*$');

-- Plain values of before, until their owner seals them as the control plane starts: see src/store/unsealed.ts.
create table unsealed (
  source text not null,
  row_id text not null,
  plain text not null,
  primary key (source, row_id)
);

insert into unsealed (source, row_id, plain)
  select 'droplets.new_password', id::text, new_password from droplets
  where new_password is not null and gone_at is null;
-- The table is written anew: no row of it keeps the text, and no trigger takes it for a change of droplets.
alter table droplets alter column new_password type sealed using null;
