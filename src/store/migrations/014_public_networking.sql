-- Whether the order wanted a public interface. Every droplet has one today; what was asked for is kept.
alter table droplets add column public_networking boolean not null default true;
