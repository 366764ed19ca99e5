-- Hosts: what each has, how much of it may be promised, and what is.

create table hosts (
  id integer primary key,
  name text not null,
  -- The slugs of the regions that it serves; null: all.
  regions text[],
  cpus integer,
  -- Of the machine. Null, here and below: nobody has looked yet, or there is no limit (simulated).
  memory_mib bigint,
  -- The storage pool, where droplets' disks are, and what is free in it.
  pool_bytes bigint,
  pool_free_bytes bigint,
  -- The disk where volumes are.
  volumes_bytes bigint,
  volumes_free_bytes bigint,
  -- The rule: memory that is the host's own, how often the rest is promised to what shares it, and how often disks are.
  kept_memory_mib bigint not null default 0,
  memory_ratio double precision not null default 4,
  disk_ratio double precision not null default 10,
  -- When what it has was last seen.
  seen_at timestamptz
);
insert into hosts (id, name) values (1, 'local');

-- What a thing takes of its host, from its order until nothing is left of it there: where it is, and how much. What
-- droplets and volumes of before take is written down by the control plane when it starts: sizes are no rows.
create table host_reservations (
  urn text primary key,
  host_id integer not null,
  vcpus integer not null default 0,
  -- Memory that is there for it alone, and memory that is promised more than once.
  dedicated_mib bigint not null default 0,
  shared_mib bigint not null default 0,
  -- In the storage pool.
  disk_gib bigint not null default 0,
  volume_gib bigint not null default 0
);

-- Sums of these, spread over slots like `counters`, so that reservations do not wait for each other's commits.
create table host_totals (
  host_id integer not null,
  slot smallint not null,
  things bigint not null,
  vcpus bigint not null,
  dedicated_mib bigint not null,
  shared_mib bigint not null,
  disk_gib bigint not null,
  volume_gib bigint not null,
  primary key (host_id, slot)
) with (fillfactor = 50);

-- In plpgsql, which keeps its plan.
create function add_to_host(sign integer, r host_reservations) returns void language plpgsql as $$
begin
  insert into host_totals as t values (r.host_id, counter_slot(), sign, sign * r.vcpus, sign * r.dedicated_mib,
    sign * r.shared_mib, sign * r.disk_gib, sign * r.volume_gib)
  on conflict (host_id, slot) do update set things = t.things + excluded.things, vcpus = t.vcpus + excluded.vcpus,
    dedicated_mib = t.dedicated_mib + excluded.dedicated_mib, shared_mib = t.shared_mib + excluded.shared_mib,
    disk_gib = t.disk_gib + excluded.disk_gib, volume_gib = t.volume_gib + excluded.volume_gib;
end $$;
create function count_reservation() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' then perform add_to_host(-1, old); end if;
  if tg_op <> 'DELETE' then perform add_to_host(1, new); end if;
  return null;
end $$;
create trigger count_reservation after insert or update or delete on host_reservations
  for each row execute function count_reservation();

create view host_states as
  select h.*, coalesce(t.things, 0) as things, coalesce(t.vcpus, 0) as vcpus,
    coalesce(t.dedicated_mib, 0) as dedicated_mib, coalesce(t.shared_mib, 0) as shared_mib,
    coalesce(t.disk_gib, 0) as disk_gib, coalesce(t.volume_gib, 0) as volume_gib
  from hosts h left join lateral (
    select sum(things)::bigint as things, sum(vcpus)::bigint as vcpus, sum(dedicated_mib)::bigint as dedicated_mib,
      sum(shared_mib)::bigint as shared_mib, sum(disk_gib)::bigint as disk_gib, sum(volume_gib)::bigint as volume_gib
    from host_totals where host_id = h.id
  ) t on true;

-- Whether a quarter of the host is free, and no more than a sixteenth of that quarter is asked for. Null as capacity: no
-- limit.
create function far_from_full(capacity double precision, used double precision, asked double precision)
returns boolean language sql immutable as $$
  select capacity is null or asked = 0 or (capacity - used >= capacity / 4 and asked <= capacity / 64);
$$;

-- The hosts among which the caller then places what it asks for, in this transaction, with what is promised of them: to
-- be called before it locks anything that others wait for.
--
-- Far from full, up to 16 transactions place things at once, each in a slot of its own and under a lock that they share:
-- all that is under way takes a quarter of a host at most, and that much was free when the last of them looked. Hosts
-- that are nearer to full are left out, as long as there is another. Otherwise, and with `alone`, one places at a time,
-- after all others have ended, and sees all hosts as they are. Each statement here sees what was committed before it
-- began. Of null nothing is held, and no host answered.
create function hold_room(dedicated bigint, shared bigint, disk bigint, volume bigint, alone boolean)
returns setof host_states language plpgsql strict as $$
declare
  key constant integer := 1634627442;
  -- Of this transaction, by earlier calls.
  slots text;
  slot integer;
  host host_states;
  found_any boolean := false;
begin
  if not exists (select from hosts where num_nonnulls(memory_mib, pool_bytes, volumes_bytes) > 0) then
    -- Nobody adds up what nothing limits.
    return query select h.*, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint, 0::bigint from hosts h order by id;
    return;
  end if;
  if not alone then
    begin
      perform pg_advisory_xact_lock_shared(key, 0);
      slots := coalesce(current_setting('atoll.room_slots', true), '');
      for n in 0..15 loop
        slot := (pg_backend_pid() + n) % 16 + 1;
        if slots not like '% ' || slot || ' %' and pg_try_advisory_xact_lock(key, slot) then
          for host in select * from host_states order by id loop
            if far_from_full(host.memory_mib - host.kept_memory_mib, host.dedicated_mib + host.shared_mib / host.memory_ratio,
                dedicated + shared / host.memory_ratio)
              and far_from_full(host.pool_bytes / 1073741824.0 * host.disk_ratio, host.disk_gib, disk)
              and far_from_full(host.volumes_bytes / 1073741824.0 * host.disk_ratio, host.volume_gib, volume)
            then
              found_any := true;
              return next host;
            end if;
          end loop;
          if found_any then
            perform set_config('atoll.room_slots', slots || ' ' || slot || ' ', true);
            return;
          end if;
          exit;
        end if;
      end loop;
      -- Leaving the block by an error gives the shared lock back: two that kept it would wait for each other below.
      raise exception 'near the limit' using errcode = 'AT001';
    exception when sqlstate 'AT001' then
      null;
    end;
  end if;
  perform pg_advisory_xact_lock(key, 0);
  return query select * from host_states order by id;
end $$;
