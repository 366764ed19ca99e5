install_packages nginx-light
greet 'nginx on Debian. It serves /var/www/html at port 80.'
