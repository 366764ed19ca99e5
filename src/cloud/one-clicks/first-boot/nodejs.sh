install_packages nodejs npm nginx-light
useradd --system --create-home --shell /bin/bash nodejs
install -d -o nodejs -g nodejs /var/www/hello
cat > /var/www/hello/hello.js <<'JS'
const { createServer } = require('node:http');

createServer((_request, response) => {
  response.setHeader('content-type', 'text/plain');
  response.end(`Hello from Node.js ${process.version}\n`);
}).listen(3000, 'localhost');
JS
cat > /etc/systemd/system/hello.service <<'UNIT'
[Unit]
Description=A first Node.js server, /var/www/hello/hello.js
After=network.target

[Service]
User=nodejs
WorkingDirectory=/var/www/hello
ExecStart=/usr/bin/node hello.js
Restart=always

[Install]
WantedBy=multi-user.target
UNIT
cat > /etc/nginx/sites-available/default <<'NGINX'
server {
  listen 80 default_server;
  listen [::]:80 default_server;
  location / {
    proxy_pass http://localhost:3000;
    proxy_http_version 1.1;
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection upgrade;
  }
}
NGINX
systemctl enable --now hello.service
systemctl reload nginx
greet 'Node.js on Debian. nginx hands port 80 to /var/www/hello/hello.js at port 3000 (hello.service).'
