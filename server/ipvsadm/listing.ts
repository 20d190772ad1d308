/** `ipvsadm -L`: the table of services and real servers in each of its column sets. */
import type { Format } from './command-line.js'
import { endpointName } from './endpoint-name.js'
import type { Forwarding, ListedDest, ListedService, Statistics } from './model.js'
import type { Names } from './names.js'
import { sortedDests, sortedServices } from './sort.js'
import { schedulerFlagNames } from './values.js'

const SERVICE_COLUMNS = 33
const DEST_COLUMNS = 28
const METHODS: Record<Forwarding, string> = {
  masq: 'Masq',
  local: 'Local',
  tunnel: 'Tunnel',
  dr: 'Route',
  bypass: 'Bypass',
}

/** The services in the order in which they are to be printed. */
export function arranged(services: readonly ListedService[], format: Format): ListedService[] {
  if (format.nosort) return [...services]
  return sortedServices(services).map(s => ({ ...s, dests: sortedDests(s.dests) }))
}

export function versionLine({ version, size }: { version: string; size: number }): string {
  return `IP Virtual Server version ${version} (size=${size})\n`
}

export function titleLines(format: Format): string {
  const name = 'Prot LocalAddress:Port'.padEnd(SERVICE_COLUMNS)
  const under = '  -> RemoteAddress:Port'
  const counters = (names: readonly string[]) =>
    `${name}${names.map(n => ` ${n.padStart(8)}`).join('')}\n${under}\n`
  const columns = (...cells: [string, number][]) =>
    `${name} ${cells.map(([cell, width]) => cell.padEnd(width)).join(' ')}\n${under}\n`
  if (format.stats) return counters(['Conns', 'InPkts', 'OutPkts', 'InBytes', 'OutBytes'])
  if (format.rate) return counters(['CPS', 'InPPS', 'OutPPS', 'InBPS', 'OutBPS'])
  const conns: [string, number][] = [
    ['ActiveConn', 10],
    ['InActConn', 10],
  ]
  if (format.thresholds) return columns(['Uthreshold', 10], ['Lthreshold', 10], ...conns)
  if (format.persistentConn) return columns(['Weight', 9], ['PersistConn', 11], ...conns)
  const tunnel = format.tunnelInfo ? 'TunnelInfo    ' : ''
  return (
    'Prot LocalAddress:Port Scheduler Flags\n' +
    `${under.padEnd(33)} Forward ${tunnel}Weight ActiveConn InActConn\n`
  )
}

/** One service with its real servers. */
export async function serviceLines(
  service: ListedService,
  format: Format,
  names: Names,
): Promise<string> {
  let text = await serviceLine(service, format, names)
  for (const dest of service.dests) text += await destLine(dest, service, format, names)
  return text
}

async function serviceLine(service: ListedService, format: Format, names: Names): Promise<string> {
  const { key } = service
  let name: string
  if (key.fwmark !== 0) {
    // Printed as a signed number.
    name = `FWM  ${key.fwmark | 0}${key.family === 6 ? ' IPv6' : ''}`
  } else {
    const where = await endpointName(key, key.protocol, format.numeric, names)
    name = `${key.protocol.toUpperCase().padEnd(4)} ${where}`
  }
  const cell = key.family === 6 ? name : name.slice(0, SERVICE_COLUMNS)
  if (format.stats) return cell.padEnd(SERVICE_COLUMNS) + statsCells(service.statistics, format)
  if (format.rate) return cell.padEnd(SERVICE_COLUMNS) + rateCells(service.statistics, format, true)
  return `${cell} ${service.scheduler}${flagsText(service)}\n`
}

function flagsText(service: ListedService): string {
  const { persistence, key } = service
  const flags = schedulerFlagNames(service.schedulerFlags, service.scheduler)
  let text = flags.length > 0 ? ` (${flags.join(',')})` : ''
  if (persistence !== null) {
    text += ` persistent ${persistence.timeoutS}`
    const whole = key.family === 6 ? 128 : '255.255.255.255'
    if (persistence.netmask !== whole) text += ` mask ${persistence.netmask}`
    if (service.engine !== '') text += ` pe ${service.engine}`
  }
  return service.onePacket ? `${text} ops` : text
}

async function destLine(
  dest: ListedDest,
  { key }: ListedService,
  format: Format,
  names: Names,
): Promise<string> {
  const name = await endpointName(dest, key.protocol, format.numeric, names)
  const cell = (dest.family === 6 ? name : name.slice(0, DEST_COLUMNS)).padEnd(DEST_COLUMNS)
  const start = `  -> ${cell}`
  if (format.stats) return start + statsCells(dest.statistics, format)
  if (format.rate) return start + rateCells(dest.statistics, format, false)
  const conns = `${left(dest.activeConns, 10)} ${left(dest.inactConns, 10)}\n`
  if (format.thresholds) {
    return `${start} ${left(dest.upperThreshold, 10)} ${left(dest.lowerThreshold, 10)} ${conns}`
  }
  if (format.persistentConn) {
    return `${start} ${left(dest.weight, 9)} ${left(dest.persistConns, 11)} ${conns}`
  }
  const tunnel = format.tunnelInfo ? `${tunnelText(dest).padEnd(13)} ` : ''
  const method = METHODS[dest.forwarding].padEnd(7)
  return `${start} ${method} ${tunnel}${left(dest.weight, 6)} ${conns}`
}

function tunnelText({ forwarding, tunnel }: ListedDest): string {
  if (forwarding !== 'tunnel') return 'n/a'
  const checksum = { none: '-c', checksum: '+c', remote: 'r+c' }[tunnel.checksum]
  if (tunnel.type === 'gue') return `gue:${tunnel.port}:${checksum}`
  return tunnel.type === 'gre' ? `gre:${checksum}` : 'ipip'
}

function statsCells(s: Statistics, format: Format): string {
  const counters = [s.conns, s.inPkts, s.outPkts, s.inBytes, s.outBytes]
  return `${counters.map(n => large(n, format.exact)).join('')}\n`
}

/** Real servers' counts are never shortened. */
function rateCells(s: Statistics, format: Format, isService: boolean): string {
  const counts = [s.cps, s.inPps, s.outPps]
  const cells = counts.map(n => (isService ? large(n, format.exact) : ` ${String(n).padStart(8)}`))
  cells.push(large(s.inBps, format.exact), large(s.outBps, format.exact))
  return `${cells.join('')}\n`
}

/** Nine columns, with a unit where the number would not fit; exact ones grow. */
function large(value: number, exact: boolean): string {
  if (exact) return ` ${String(value).padStart(8)}`
  if (value < 1e8) return String(value).padStart(9)
  const [unit, divisor] =
    value < 1e9 ? ['K', 1e3] : value < 1e11 ? ['M', 1e6] : value < 1e14 ? ['G', 1e9] : ['T', 1e12]
  return String(Math.floor(value / Number(divisor))).padStart(8) + String(unit)
}

const left = (value: number, width: number): string => String(value).padEnd(width)
