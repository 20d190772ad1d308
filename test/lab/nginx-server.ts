/** nginx as a real server: a fixed answer to every request, so that it is never what limits. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from './lab.js'
import type { Namespace } from './namespace.js'
import type { LabProcess } from './process.js'
import { HTTP_PORT } from './real-server.js'

export async function startNginxServer(lab: Lab, host: Namespace): Promise<LabProcess> {
  const config = join(lab.folder, `nginx-${host.role}.conf`)
  writeFileSync(config, CONFIG.replaceAll('FOLDER', lab.folder).replaceAll('ROLE', host.role))
  await host.sysctl({ 'net.core.somaxconn': 16_384, 'net.ipv4.tcp_max_syn_backlog': 16_384 })
  const command = ['nginx', '-p', lab.folder, '-c', config, '-e', 'stderr']
  const nginx = host.start(command, { name: `nginx on ${host.role}` })
  await nginx.waitFor(/start worker process \d+/)
  return nginx
}

const CONFIG = `daemon off;
pid FOLDER/nginx-ROLE.pid;
error_log stderr notice;
worker_processes 1;
worker_rlimit_nofile 65536;
events {
  multi_accept on;
  worker_connections 32768;
}
http {
  access_log off;
  client_body_temp_path FOLDER/body-ROLE;
  proxy_temp_path FOLDER/proxy-ROLE;
  fastcgi_temp_path FOLDER/fastcgi-ROLE;
  uwsgi_temp_path FOLDER/uwsgi-ROLE;
  scgi_temp_path FOLDER/scgi-ROLE;
  server {
    listen [::]:${HTTP_PORT} ipv6only=off backlog=16384;
    location / {
      default_type text/plain;
      return 200 "ok";
    }
  }
}
`
