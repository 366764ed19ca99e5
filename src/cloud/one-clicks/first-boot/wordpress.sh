install_packages apache2 mariadb-server libapache2-mod-php php-mysql php-gd wordpress
secure_mariadb
wordpress_mysql_pass=$(random_password)
keep_password wordpress_mysql_pass "$wordpress_mysql_pass"
mariadb <<SQL
create database wordpress;
grant all on wordpress.* to wordpress@localhost identified by '$wordpress_mysql_pass';
SQL

# For whatever name or address the site is called by.
config=/etc/wordpress/config-default.php
install -o root -g www-data -m 0640 /dev/null "$config"
{
  cat <<PHP
<?php
define('DB_NAME', 'wordpress');
define('DB_USER', 'wordpress');
define('DB_PASSWORD', '$wordpress_mysql_pass');
define('DB_HOST', 'localhost');
define('WP_CONTENT_DIR', '/var/lib/wordpress/wp-content');
PHP
  for key in AUTH_KEY SECURE_AUTH_KEY LOGGED_IN_KEY NONCE_KEY AUTH_SALT SECURE_AUTH_SALT LOGGED_IN_SALT NONCE_SALT; do
    echo "define('$key', '$(random_password)$(random_password)');"
  done
} > "$config"

cat > /etc/apache2/sites-available/wordpress.conf <<'APACHE'
<VirtualHost *:80>
  DocumentRoot /usr/share/wordpress
  Alias /wp-content /var/lib/wordpress/wp-content
  <Directory /usr/share/wordpress>
    Options FollowSymLinks
    AllowOverride All
    DirectoryIndex index.php
    Require all granted
  </Directory>
  <Directory /var/lib/wordpress/wp-content>
    Options FollowSymLinks
    Require all granted
  </Directory>
</VirtualHost>
APACHE
a2dissite -q 000-default
a2ensite -q wordpress
a2enmod -q rewrite
systemctl restart apache2
greet 'WordPress on Debian, with Apache and MariaDB.' \
  "Finish it in a browser: http://the droplet's address/" \
  'Its passwords are in /root/.digitalocean_password.'
