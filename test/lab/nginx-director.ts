/**
 * nginx's stream module as a peer for benches, TCP and UDP: one worker, room for a UDP session's
 * socket each, no access log, `multi_accept`. A UDP session ends after a minute, so that none ends
 * within a measurement; TCP copies through a buffer of 64 KiB instead of 16.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServiceSpec } from './director.js'
import { inUrl } from './cast.js'
import type { Lab } from './lab.js'
import type { Namespace } from './namespace.js'
import type { LabProcess } from './process.js'

const MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so'

export class NginxDirector {
  readonly name = 'nginx stream'
  readonly #host: Namespace
  readonly #folder: string
  readonly #config: string
  #process: LabProcess | null = null

  constructor(lab: Lab, host: Namespace) {
    this.#host = host
    this.#folder = lab.folder
    this.#config = join(lab.folder, 'nginx-stream.conf')
  }

  /** Starts it for these services, whose addresses it needs on the host. Listening on return. */
  async start(services: readonly ServiceSpec[], device: string): Promise<void> {
    const pid = join(this.#folder, 'nginx-stream.pid')
    writeFileSync(this.#config, head(pid) + services.map(section).join('') + '}\n')
    await this.#host.ip(
      ...services.map(({ address }) => `addr replace ${host(address)} dev ${device}`),
    )
    const command = ['nginx', '-p', this.#folder, '-c', this.#config, '-e', 'stderr']
    this.#process = this.#host.start(command, { name: 'nginx stream' })
    await this.#process.waitFor(/start worker process \d+/)
  }

  /** Ends it and takes the addresses off again. */
  async stop(services: readonly ServiceSpec[], device: string): Promise<void> {
    await this.#process?.stop('SIGTERM')
    const addresses = new Set(services.map(({ address }) => host(address)))
    await this.#host.ip(...[...addresses].map(address => `addr del ${address} dev ${device}`))
  }
}

const host = (address: string) => (address.includes(':') ? `${address}/128 nodad` : `${address}/32`)

const head = (pid: string) => `load_module ${MODULE};
daemon off;
pid ${pid};
error_log stderr notice;
worker_processes 1;
worker_rlimit_nofile 200000;
events {
  use epoll;
  multi_accept on;
  worker_connections 100000;
}
stream {
  access_log off;
`

function section(service: ServiceSpec, number: number): string {
  const servers = Object.values(service.realServers).map(
    ({ address, port, weight }) =>
      `    server ${inUrl(address)}:${port ?? service.port} weight=${weight ?? 1} max_fails=0;\n`,
  )
  const listen = `${inUrl(service.address)}:${service.port}`
  const udp = service.protocol === 'udp'
  return `  upstream service${number} {
${servers.join('')}  }
  server {
    listen ${listen}${udp ? ' udp rcvbuf=4m' : ' backlog=4096'};
    proxy_pass service${number};
    proxy_buffer_size 64k;
    proxy_timeout 60s;
  }
`
}
