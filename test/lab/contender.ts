/**
 * Balancers that take turns on the same wires with the same services, for demo and bench. Only one
 * is on the host at a time: Sluice reads a copy of every frame, so a waiting one would cost its
 * peers time.
 */
import { DIRECTOR_DEVICES } from './cast.js'
import type { ServiceSpec } from './director.js'
import { HaproxyDirector } from './haproxy-director.js'
import type { Lab } from './lab.js'
import type { Namespace } from './namespace.js'
import { NftDirector } from './nft-director.js'
import { NginxDirector } from './nginx-director.js'
import { Sluice, type SluiceOptions } from './sluice.js'

export interface Contender {
  readonly name: string
  /** Ready for traffic on return. */
  start(): Promise<void>
  /** Gone from the host on return. */
  stop(): Promise<void>
}

export type ServiceSpecs = Readonly<Record<string, ServiceSpec>>

export function nftContender(host: Namespace, services: ServiceSpecs): Contender {
  const nft = new NftDirector(host)
  const start = async () => {
    for (const [name, service] of Object.entries(services)) await nft.putService(name, service)
  }
  return { name: 'nftables DNAT', start, stop: () => nft.stop() }
}

export function haproxyContender(lab: Lab, host: Namespace, services: ServiceSpecs): Contender {
  const haproxy = new HaproxyDirector(lab, host)
  const specs = Object.values(services)
  const [device] = DIRECTOR_DEVICES
  return {
    name: 'HAProxy TCP mode',
    start: () => haproxy.start(specs, device),
    stop: () => haproxy.stop(specs, device),
  }
}

export function nginxContender(lab: Lab, host: Namespace, services: ServiceSpecs): Contender {
  const nginx = new NginxDirector(lab, host)
  const specs = Object.values(services)
  const [device] = DIRECTOR_DEVICES
  return {
    name: 'nginx stream',
    start: () => nginx.start(specs, device),
    stop: () => nginx.stop(specs, device),
  }
}

/** Configured at its first start only: from then on its database knows. */
export function sluiceContender(
  lab: Lab,
  host: Namespace,
  services: ServiceSpecs,
  options: Pick<SluiceOptions, 'serveArgs' | 'database' | 'turnClock'> = {},
): Contender {
  const sluice = new Sluice(lab, host, options)
  let configured = false
  const start = async () => {
    await sluice.start()
    if (configured) return
    for (const [name, service] of Object.entries(services)) await sluice.putService(name, service)
    configured = true
  }
  return { name: 'Sluice', start, stop: () => sluice.stop() }
}
