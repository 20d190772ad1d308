/**
 * HAProxy in TCP mode as a peer for benches: one thread, `splice-auto`, large pipes, no logging and
 * no health checks. Whether splicing is its fastest setting on these wires was not measured.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServiceSpec } from './director.js'
import { inUrl } from './cast.js'
import type { Lab } from './lab.js'
import type { Namespace } from './namespace.js'

export class HaproxyDirector {
  readonly name = 'haproxy tcp'
  readonly #host: Namespace
  readonly #config: string
  readonly #pidFile: string
  #pid = 0

  constructor(lab: Lab, host: Namespace) {
    this.#host = host
    this.#config = join(lab.folder, 'haproxy.cfg')
    this.#pidFile = join(lab.folder, 'haproxy.pid')
  }

  /** Starts it for these services, whose addresses it needs on the host. Listening on return. */
  async start(services: readonly ServiceSpec[], device: string): Promise<void> {
    writeFileSync(this.#config, GLOBAL + services.map(section).join(''))
    await this.#host.ip(
      ...services.map(({ address }) => `addr replace ${host(address)} dev ${device}`),
    )
    // A daemon's parent returns once every port is bound.
    await this.#host.must(['haproxy', '-D', '-p', this.#pidFile, '-f', this.#config])
    this.#pid = Number(readFileSync(this.#pidFile, 'utf8'))
  }

  /** Ends it and takes the addresses off again. */
  async stop(services: readonly ServiceSpec[], device: string): Promise<void> {
    await this.#host.run(['sh', '-c', `kill ${this.#pid}; while kill -0 ${this.#pid}; do :; done`])
    const addresses = new Set(services.map(({ address }) => host(address)))
    await this.#host.ip(...[...addresses].map(address => `addr del ${address} dev ${device}`))
  }
}

const host = (address: string) => (address.includes(':') ? `${address}/128 nodad` : `${address}/32`)

const GLOBAL = `global
  nbthread 1
  maxconn 4000
  tune.pipesize 1048576
defaults
  mode tcp
  option splice-auto
  timeout connect 5s
  timeout client 60s
  timeout server 60s
`

function section(service: ServiceSpec, number: number): string {
  const servers = Object.entries(service.realServers).map(
    ([name, { address, port, weight }]) =>
      `  server ${name} ${inUrl(address)}:${port ?? service.port} weight ${weight ?? 1}\n`,
  )
  return `listen service${number}
  bind ${inUrl(service.address)}:${service.port}
  balance roundrobin
${servers.join('')}`
}
