-- A transaction that notifies holds a lock of the whole server from just before its commit until that is on the disk:
-- no two of them could be written at once. Loops are told by whoever has committed; see src/control/loop.ts.
create or replace function wake(kind text, id text, at timestamptz) returns void language plpgsql as $$
begin
  insert into reconcile as r (kind, id, due) values (kind, id, at)
  on conflict on constraint reconcile_pkey
  do update set wanted = r.wanted + 1, due = least(r.due, excluded.due), attempts = 0;
end $$;
