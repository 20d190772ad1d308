/** `ipvsadm -S`: the table as command lines that `-R` reads. */
import { endpointName } from './endpoint-name.js'
import type { DestSpec, Protocol, ServiceSpec } from './model.js'
import type { Names } from './names.js'
import { schedulerFlagNames } from './values.js'

const SERVICE_OPTIONS: Record<Protocol, string> = { tcp: '-t', udp: '-u', sctp: '--sctp-service' }
const METHODS = { masq: '-m', tunnel: '-i', dr: '-g', local: '-g', bypass: '-g' } as const

/**
 * ipvsadm itself leaves thresholds out and writes marks with a sign; `faithful` writes what `-R`
 * makes the same table of.
 */
export async function saveLines(
  service: ServiceSpec & { dests: readonly DestSpec[] },
  numeric: boolean,
  names: Names,
  { faithful = false } = {},
): Promise<string> {
  const { key } = service
  let name: string
  if (key.fwmark !== 0)
    name = `-f ${faithful ? key.fwmark : key.fwmark | 0}${key.family === 6 ? ' -6' : ''}`
  else {
    const where = await endpointName(key, key.protocol, numeric, names)
    name = `${SERVICE_OPTIONS[key.protocol]} ${where}`
  }
  let text = `-A ${name} -s ${service.scheduler}${serviceOptions(service)}\n`
  for (const dest of service.dests) {
    const server = await endpointName(dest, key.protocol, numeric, names)
    const method = METHODS[dest.forwarding]
    const limits = faithful ? thresholdOptions(dest) : ''
    text += `-a ${name} -r ${server} ${method} -w ${dest.weight}${limits}${tunnelOptions(dest)}\n`
  }
  return text
}

function serviceOptions(service: ServiceSpec): string {
  const { persistence, key } = service
  let text = ''
  if (persistence !== null) {
    text += ` -p ${persistence.timeoutS}`
    const whole = key.family === 6 ? 128 : '255.255.255.255'
    if (persistence.netmask !== whole) text += ` -M ${persistence.netmask}`
  }
  if (service.engine !== '') text += ` --pe ${service.engine}`
  if (service.onePacket) text += ' -o'
  const flags = schedulerFlagNames(service.schedulerFlags, service.scheduler)
  return flags.length > 0 ? `${text} -b ${flags.join(',')}` : text
}

function thresholdOptions({ upperThreshold, lowerThreshold }: DestSpec): string {
  const upper = upperThreshold === 0 ? '' : ` -x ${upperThreshold}`
  return lowerThreshold === 0 ? upper : `${upper} -y ${lowerThreshold}`
}

function tunnelOptions({ forwarding, tunnel }: DestSpec): string {
  if (forwarding !== 'tunnel') return ''
  const port = tunnel.type === 'gue' ? ` --tun-port ${tunnel.port}` : ''
  const checksum = { none: 'nocsum', checksum: 'csum', remote: 'remcsum' }[tunnel.checksum]
  return ` --tun-type ${tunnel.type}${port}${tunnel.type === 'ipip' ? '' : ` --tun-${checksum}`}`
}
