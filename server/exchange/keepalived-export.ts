/** Writes the virtual servers of a keepalived.conf, so that keepalived has nothing to say about it. */
import type { DestSpec } from '../ipvsadm/model.js'
import type { SorryConfig } from '../schemas/policy.js'
import { schedulerFlagNames } from '../ipvsadm/values.js'
import { changedTimeouts, exportedServices } from './exported.js'
import type { Configuration, Exported, ExportedServer, ExportedService, Loss } from './exported.js'
import { writtenChecks } from './keepalived/written-checks.js'
import { writtenPolicy } from './keepalived/written-policy.js'
import { pacer } from './pacing.js'

const NO_SERVERS = 'keepalived ignores a virtual server without real servers: left out.'
const NO_WEIGHT =
  'Its weights add up to 0 (modulo 2^32), for which keepalived warns: give a usable server one.'
const NO_PORT = "Without a port keepalived takes the service's, which is the same to clients."
const CHECKSUMS = { none: 'nocsum', checksum: 'csum', remote: 'remcsum' } as const

export async function exportKeepalived(configuration: Configuration): Promise<Exported> {
  const losses: Loss[] = []
  const parts: string[] = []
  const timeouts = changedTimeouts(configuration)
  if (timeouts !== null) {
    const { tcpSeconds, tcpFinSeconds, udpSeconds } = timeouts
    const words = `tcp ${tcpSeconds} tcpfin ${tcpFinSeconds} udp ${udpSeconds}`
    parts.push(`global_defs {\n    lvs_timeouts ${words}\n}\n`)
  }
  const pause = pacer()
  for (const service of exportedServices(configuration, losses)) {
    if (service.dests.length === 0)
      losses.push({ pointer: `/virtualServices/${service.name}`, reason: NO_SERVERS })
    else parts.push(serviceBlock(service, losses))
    await pause()
  }
  return { text: parts.join('\n'), losses }
}

function serviceBlock(service: ExportedService, losses: Loss[]): string {
  const { key, scheduler, schedulerFlags, persistence, engine, onePacket } = service
  const isMark = key.fwmark !== 0
  const head = isMark ? `fwmark ${key.fwmark}` : withPort(key.address, key.port)
  const whole = key.family === 4 ? '255.255.255.255' : 128
  const lines = [
    // Its own flags are only known behind it.
    `lvs_sched ${scheduler}`,
    ...schedulerFlagNames(schedulerFlags, scheduler),
    // All of its real servers may be behind tunnels of the other family.
    isMark
      ? `ip_family ${key.family === 4 ? 'inet' : 'inet6'}`
      : `protocol ${key.protocol.toUpperCase()}`,
    ...(onePacket ? ['ops'] : []),
    ...(persistence === null ? [] : [`persistence_timeout ${persistence.timeoutS}`]),
    ...(persistence === null || persistence.netmask === whole
      ? []
      : [`persistence_granularity ${persistence.netmask}`]),
    ...(engine === '' ? [] : [`persistence_engine ${engine}`]),
  ]
  const servers = service.dests.map(dest => {
    if (dest.port === 0 && key.port !== 0)
      losses.push({
        pointer: `/virtualServices/${service.name}/realServers/${dest.name}/port`,
        reason: NO_PORT,
      })
    return serverBlock(dest, writtenChecks(service.record, dest.record, losses))
  })
  const { policy } = service.record.config
  // keepalived adds 32 bits.
  const weight = service.dests.reduce((sum, dest) => (sum + dest.weight) >>> 0, 0)
  const where = { weight, pointer: `/virtualServices/${service.name}` }
  if (weight === 0) losses.push({ pointer: where.pointer, reason: NO_WEIGHT })
  if (policy !== undefined) lines.push(...writtenPolicy(policy, where, sorryMethod, losses))
  return `virtual_server ${head} {\n${indented(lines)}${indented(servers)}}\n`
}

function serverBlock(dest: ExportedServer, checks: readonly string[]): string {
  const { address, port, weight, upperThreshold, lowerThreshold } = dest
  const lines = [
    `weight ${weight}`,
    `lvs_method ${methodWords(dest)}`,
    ...(upperThreshold === 0 ? [] : [`uthreshold ${upperThreshold}`]),
    ...(lowerThreshold === 0 ? [] : [`lthreshold ${lowerThreshold}`]),
    ...checks,
  ]
  return `real_server ${withPort(address, port)} {\n${indented(lines)}}`
}

const sorryMethod = ({ forwarding, tunnel }: SorryConfig): string =>
  methodWords({
    forwarding,
    tunnel: { port: 0, ...(tunnel ?? { type: 'ipip', checksum: 'none' }) },
  })

function methodWords({ forwarding, tunnel }: Pick<DestSpec, 'forwarding' | 'tunnel'>): string {
  if (forwarding === 'masq') return 'NAT'
  if (forwarding !== 'tunnel') return 'DR'
  const { type, port, checksum } = tunnel
  if (type === 'ipip') return 'TUN type ipip'
  return `TUN type ${type}${type === 'gue' ? ` port ${port}` : ''} ${CHECKSUMS[checksum]}`
}

const withPort = (address: string, port: number): string =>
  port === 0 ? address : `${address} ${port}`

const indented = (lines: readonly string[]): string =>
  lines.map(line => `    ${line.replaceAll('\n', '\n    ')}\n`).join('')
