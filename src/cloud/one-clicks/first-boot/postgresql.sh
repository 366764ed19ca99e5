install_packages postgresql
postgres_pass=$(random_password)
keep_password postgres_pass "$postgres_pass"
runuser -u postgres -- psql -q <<SQL
alter user postgres password '$postgres_pass';
SQL
greet 'PostgreSQL on Debian. It listens on localhost.' \
  "The password of its user postgres is in /root/.digitalocean_password."
