-- The root password that a droplet without SSH keys gets at its first boot, as /etc/shadow has it. In plain text it is
-- kept (new_password) only until the letter is sent.
alter table droplets add column root_password_hash text;
