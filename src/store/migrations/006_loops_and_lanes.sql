-- The control loops that live, and what the reconcile table must say so that none of them runs a resource twice at
-- once. See src/control/loops.ts and claims.ts.

create table loops (
  -- Its number for as long as its process lives; a session of it holds the advisory lock of that number.
  owner integer primary key,
  -- Until then nobody takes over what it holds.
  lease_until timestamptz not null,
  -- Since when another loop misses its lock.
  lost_at timestamptz,
  started_at timestamptz not null default now()
);

alter table reconcile
  -- Which claim of its owner's; with the owner it says whose the resource is, and whose no more.
  add column claim bigint,
  -- `slow`: a run has found that it has slow work to do, and waits for a slot of that lane.
  add column lane text not null default 'own' check (lane in ('own', 'slow')),
  -- Since when a wish is unfulfilled; null while a run looks after it.
  add column woken_at timestamptz,
  -- So many runs in a row have only had to wait.
  add column waits integer not null default 0,
  add column waiting_for text,
  add column waiting_since timestamptz,
  -- When this wait is too long.
  add column waiting_until timestamptz;

-- Waits were counted as negative attempts.
update reconcile set attempts = 0 where attempts < 0;

drop index reconcile_dirty;
create index reconcile_dirty on reconcile (lane, due) where done < wanted and owner is null;

-- What is wanted has changed: backoff, waits and the lane that the old wish had found are forgotten.
create or replace function wake(kind text, id text, at timestamptz) returns void language plpgsql as $$
begin
  insert into reconcile as r (kind, id, due, woken_at) values (kind, id, at, at)
  on conflict on constraint reconcile_pkey
  do update set wanted = r.wanted + 1, due = least(r.due, excluded.due), attempts = 0, waits = 0, lane = 'own',
    waiting_for = null, waiting_since = null, waiting_until = null,
    woken_at = case when r.done < r.wanted then coalesce(r.woken_at, excluded.woken_at) else excluded.woken_at end;
end $$;
