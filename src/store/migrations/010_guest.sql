-- The root password that a droplet without SSH keys gets at its first boot, as /etc/shadow has it. In plain text it is
-- kept (new_password) only until the letter is sent.
alter table droplets add column root_password_hash text;

-- Whether the order wanted a public interface. Every droplet has one today; what was asked for is kept.
alter table droplets add column public_networking boolean not null default true;
