#!/bin/sh
# Runs once, at a droplet's first boot, after its packages and before its user's own scripts.
set -eu
umask 022
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

# install_packages PACKAGE...: without a question, and without services of other packages that nobody asked for.
install_packages() {
  apt-get -q -o Acquire::Languages=none -o Acquire::Retries=5 update
  apt-get -q -y -o Acquire::Retries=5 -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-unsafe-io \
    install --no-install-recommends "$@"
}

# 32 letters and digits that nobody else has.
random_password() {
  od -An -v -tx1 -N16 /dev/urandom | tr -d ' \n'
}

# keep_password NAME VALUE: where DigitalOcean's applications leave passwords too, for root's eyes only.
keep_password() (
  umask 077
  printf '%s="%s"\n' "$1" "$2" >> /root/.digitalocean_password
)

# greet LINE...: what a login shows.
greet() {
  printf '%s\n' "$@" '' > /etc/motd
}

# MariaDB's root: by its socket as Debian has it, and by a password as well.
secure_mariadb() {
  root_mysql_pass=$(random_password)
  keep_password root_mysql_pass "$root_mysql_pass"
  mariadb <<SQL
alter user root@localhost identified via unix_socket or mysql_native_password using password('$root_mysql_pass');
SQL
}

# Unpacking without a sync after each file is safe only with one at the end.
trap sync EXIT
