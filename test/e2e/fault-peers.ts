/** Peers with faults that only they can have: nginx with certificates, HAProxy without a backend. */
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inUrl } from '../lab/cast.js'
import type { CertificateFolder } from '../fixtures/certificates.js'
import type { Lab } from '../lab/lab.js'
import type { Namespace } from '../lab/namespace.js'
import type { LabProcess } from '../lab/process.js'

export const TLS_NAME = 'web.example'
/** Of each of nginx's ports: until how many days from now its certificate is good. */
export const CERTIFICATES = { lasting: 400, ending: 5, expired: -10 } as const
export type CertificateName = keyof typeof CERTIFICATES
const NAMES = Object.keys(CERTIFICATES) as CertificateName[]
export const tlsPort = (name: CertificateName): number => 8443 + NAMES.indexOf(name)
export const PROXY_PORT = 8082

/** nginx with three ports that differ in their certificates alone; it accepts on return. */
export async function startTlsServer(
  lab: Lab,
  host: Namespace,
  certificates: CertificateFolder,
): Promise<LabProcess> {
  const sections = NAMES.map(name => {
    const { certificate, key } = certificates.issue(TLS_NAME, -20, CERTIFICATES[name])
    return `server {
      listen [::]:${tlsPort(name)} ssl ipv6only=off;
      ssl_certificate ${certificate}; ssl_certificate_key ${key};
      add_header X-Server ${name} always;
      location / { return 200 "${name}"; }
    }`
  })
  // nginx's workers have fewer rights than whoever starts them.
  chmodSync(certificates.folder, 0o755)
  const config = join(lab.folder, 'tls-server.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    name => `${name}_temp_path ${lab.folder}/tls-${name};`,
  )
  writeFileSync(
    config,
    `daemon off; pid ${lab.folder}/tls.pid; error_log stderr notice; worker_processes 1;
events {}
http { access_log off; ${temporary.join(' ')} ${sections.join('\n')} }
`,
  )
  const nginx = host.start(['nginx', '-p', lab.folder, '-c', config, '-e', 'stderr'], {
    name: 'nginx with certificates',
  })
  await nginx.waitFor(/start worker process \d+/)
  return nginx
}

/** HAProxy in HTTP mode with one backend, which it does not check itself; it accepts on return. */
export async function startProxy(
  lab: Lab,
  host: Namespace,
  backend: { address: string; port: number },
): Promise<LabProcess> {
  const config = join(lab.folder, 'proxy.cfg')
  writeFileSync(
    config,
    `defaults
  mode http
  retries 0
  timeout connect 2s
  timeout client 60s
  timeout server 60s
listen proxy
  bind [::]:${PROXY_PORT} v4v6
  http-response set-header X-Server proxy
  server backend ${inUrl(backend.address)}:${backend.port}
`,
  )
  const proxy = host.start(['haproxy', '-db', '-f', config], { name: 'haproxy' })
  const retry = ['--retry', '20', '--retry-delay', '1', '--retry-connrefused']
  const url = `http://127.0.0.1:${PROXY_PORT}/`
  await host.must(['curl', '-sS', ...retry, '-m', '5', '-o', '/dev/null', url])
  return proxy
}
