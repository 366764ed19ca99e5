-- The run in which the machine's program answered last: a machine is also started by its host, and by itself.
alter table machines add column applied_run text;
