install_packages apache2 mariadb-server php libapache2-mod-php php-mysql
secure_mariadb
rm -f /var/www/html/index.html
cat > /var/www/html/index.php <<'PHP'
<!doctype html>
<title>LAMP</title>
<h1>It works</h1>
<p>PHP <?= PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION ?> answers here. Put your site into /var/www/html.</p>
PHP
greet 'Apache, MariaDB and PHP on Debian. The site is in /var/www/html.' \
  "MariaDB's root password is in /root/.digitalocean_password."
