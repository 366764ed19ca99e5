-- Whoever misses a loop remembers since when, on its own monotonic clock: a wall clock may be set at any moment.
alter table loops drop column lost_at;
