# overlay2 works in every droplet; what Docker would choose by itself depends on the file system of the host.
mkdir -p /etc/docker
printf '{ "storage-driver": "overlay2" }\n' > /etc/docker/daemon.json
install_packages docker.io docker-compose iptables
greet 'Docker on Debian.' 'Try: docker info'
