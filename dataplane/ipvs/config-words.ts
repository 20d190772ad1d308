/**
 * Between the words of a control message and the kernel's numbers: what a configuration says, what
 * a service or a real server is configured as, and the kernel's checks of both (ip_vs_ctl.c).
 */
import { OpError } from '../op-error.js'
import type { DestConfig, ServiceConfig, ServiceKey } from '../protocol.js'
import { DROUTE, LOCALNODE, MASQ, TUNNEL } from '../shared/conn-record.js'
import * as address from '../wire/address.js'
import type { Dest } from './dest.js'
import { ONEPACKET, SCHED1, SCHED2, SCHED3, type Service } from './service.js'

export const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const
export const METHODS = { masq: MASQ, local: LOCALNODE, tunnel: TUNNEL, dr: DROUTE } as const
export const TUNNELS = { ipip: 0, gue: 1, gre: 2 } as const
export const TUNNEL_CHECKSUMS = { none: 0, checksum: 1, remote: 2 } as const
export const SERVICE_FLAGS: Record<string, number> = {
  'sh-fallback': SCHED1,
  'mh-fallback': SCHED1,
  'flag-1': SCHED1,
  'sh-port': SCHED2,
  'mh-port': SCHED2,
  'flag-2': SCHED2,
  'flag-3': SCHED3,
}
const ALL_ONES = -1

const textOf = (a: address.Address): string => address.format(a.family, a.w0, a.w1, a.w2, a.w3)

export const familyNumber = (name: 'ipv4' | 'ipv6') => (name === 'ipv4' ? 4 : 6)

export function parseAddress(text: string): address.Address {
  const parsed = address.parse(text)
  if (parsed === null) throw new OpError('EINVAL', `'${text}' is not an IP address`)
  return parsed
}

export function identityOf(key: ServiceKey) {
  if ('fwmark' in key) {
    const family = familyNumber(key.family)
    return { family, w0: 0, w1: 0, w2: 0, w3: 0, protocol: 6, port: 0, fwmark: key.fwmark }
  }
  return {
    ...parseAddress(key.address),
    protocol: PROTOCOLS[key.protocol],
    port: key.port,
    fwmark: 0,
  }
}

export function keyOf(service: Service): ServiceKey {
  const family = service.family === 4 ? 'ipv4' : 'ipv6'
  if (service.fwmark !== 0) return { family, fwmark: service.fwmark }
  const protocol = service.protocol === 6 ? 'tcp' : service.protocol === 17 ? 'udp' : 'sctp'
  return { family, protocol, address: textOf(service), port: service.port }
}

/** Throws for one of the other family that is not reached by a tunnel. */
export function destAddress(service: Service, config: DestConfig): address.Address {
  const where = parseAddress(config.address)
  if (where.family !== service.family && config.forwarding !== 'tunnel') {
    throw new OpError('EINVAL', 'only a tunnel reaches a real server of the other address family')
  }
  return where
}

export function checkUnicast(where: address.Address): void {
  if (!isUnicast(where)) throw new OpError('EINVAL', `${textOf(where)} is not a unicast address`)
}

/** Addresses of this host are fine too, whatever they look like; broadcasts of links are not seen. */
function isUnicast({ family, w0, w1, w2, w3 }: address.Address): boolean {
  if (family === 4) return w0 !== 0 && w0 !== -1 && w0 >>> 28 !== 0xe
  const isLinkLocal = w0 >>> 22 === 0xfe80 >>> 6
  return w0 >>> 24 !== 0xff && !isLinkLocal && (w0 | w1 | w2 | w3) !== 0
}

export function checkThresholds({ lowerThreshold, upperThreshold }: DestConfig): void {
  if (lowerThreshold > upperThreshold) {
    throw new OpError('ERANGE', 'the lower threshold exceeds the upper threshold')
  }
}

export function netmaskOf(family: number, netmask: string | number | undefined): number {
  if (family === 6) return typeof netmask === 'number' ? netmask : 128
  if (netmask === undefined) return ALL_ONES
  return typeof netmask === 'number' ? netmask : parseAddress(netmask).w0
}

export function flagNames(service: Service): string[] {
  const names: [number, string][] = [
    [SCHED1, 'flag-1'],
    [SCHED2, 'flag-2'],
    [SCHED3, 'flag-3'],
  ]
  return names.filter(([bit]) => (service.flags & bit) !== 0).map(([, name]) => name)
}

/** With its slow start as it is at `nowMs`. */
export function configOf(dest: Dest, nowMs = 0): DestConfig {
  const { ramp } = dest
  const methods = ['masq', 'local', 'tunnel', 'dr'] as const
  const method = methods[dest.connFlags & 7]!
  return {
    address: textOf(dest),
    port: dest.port,
    weight: dest.weight,
    forwarding: method,
    tunnel:
      method === 'tunnel'
        ? {
            type: (['ipip', 'gue', 'gre'] as const)[dest.tunnelType]!,
            port: dest.tunnelPort,
            checksum: (['none', 'checksum', 'remote'] as const)[dest.tunnelFlags]!,
          }
        : null,
    upperThreshold: dest.upperThreshold,
    lowerThreshold: dest.lowerThreshold,
    ...(ramp === null ? {} : { ramp: ramp.describe(nowMs) }),
  }
}

/** What undoes the deletion of a service, but for its real servers. */
export function serviceConfigOf(service: Service, key: ServiceKey): ServiceConfig {
  const { timeoutS, netmask } = service
  const isSip = service.persistenceEngine === 'sip'
  const engine = isSip ? { engine: 'sip' as const } : {}
  return {
    key,
    scheduler: service.schedulerName as ServiceConfig['scheduler'],
    schedulerFlags: flagNames(service),
    persistence: service.persistent ? { timeoutS, netmask, ...engine } : null,
    ...(isSip && !service.persistent ? { persistenceEngine: 'sip' as const } : {}),
    onePacket: (service.flags & ONEPACKET) !== 0,
    ...(service.refuses ? { refuses: true } : {}),
  }
}
