/** From a mark rule as a client wrote it to one that is complete and normalised, or to its faults. */
import type { FamilyName, MarkRuleConfig as PlaneRule } from '../../dataplane/protocol.js'
import { problemOf } from '../errors.js'
import { checkName, Fields, sortedLabels } from './fields.js'
import { Findings } from './findings.js'
import { parsePrefix } from '../ip-address.js'
import { MarkRuleConfig, ORDER_DEFAULT, type MarkRuleFields } from '../schemas/mark-rule.js'
import { faultsOf, isObject, oneOfHint, quote } from '../schemas/walk.js'

const PROTOCOLS: Readonly<Record<string, number>> = {
  tcp: 6,
  udp: 17,
  sctp: 132,
  icmp: 1,
  esp: 50,
  ah: 51,
}
const ICMPV6 = 58
/** Those whose packets have ports. */
const WITH_PORTS = ['any', 'tcp', 'udp', 'sctp']

/** Throws a Problem with every fault; `interfaceFault` says what is wrong with an interface. */
export function readMarkRule(
  name: string,
  body: unknown,
  interfaceFault: (name: string) => string | null,
): MarkRuleFields {
  const found = new Findings(faultsOf(MarkRuleConfig, body))
  if (!isObject(body)) throw problemOf(found.faults)
  const fields = new Fields(body, '', found)
  checkName(fields, name)
  const family = fields.get<FamilyName>('addressFamily')
  const protocol = protocolOf(fields, family)
  const source = prefixOf(fields, 'source', family)
  const destination = prefixOf(fields, 'destination', family)
  const sourcePorts = portsOf(fields, 'sourcePorts', protocol)
  const destinationPorts = portsOf(fields, 'destinationPorts', protocol)
  const interfaceName = fields.get<string>('interface')
  const wrong = interfaceName === undefined ? null : interfaceFault(interfaceName)
  if (wrong !== null) fields.fault('interface', 'INTERFACE_NOT_FOUND', wrong)
  if (found.any) throw problemOf(found.faults)
  return {
    mark: fields.get<number>('mark')!,
    addressFamily: family!,
    protocol,
    ...(source === null ? {} : { source }),
    ...(destination === null ? {} : { destination }),
    ...(sourcePorts === null ? {} : { sourcePorts }),
    ...(destinationPorts === null ? {} : { destinationPorts }),
    ...fields.optional<'interface', string>('interface'),
    order: fields.get<number>('order') ?? ORDER_DEFAULT,
    labels: sortedLabels(fields.get('labels')),
  }
}

/** As the dataplane takes it. */
export function planeRule(config: MarkRuleFields): PlaneRule {
  return {
    mark: config.mark,
    family: config.addressFamily,
    protocol: config.protocol === 'any' ? null : numberOf(config.protocol, config.addressFamily),
    source: config.source ?? null,
    destination: config.destination ?? null,
    sourcePorts: config.sourcePorts?.map(rangeOf) ?? null,
    destinationPorts: config.destinationPorts?.map(rangeOf) ?? null,
    interface: config.interface ?? null,
  }
}

function numberOf(protocol: string, family: FamilyName): number {
  if (protocol === 'icmp' && family === 'ipv6') return ICMPV6
  return PROTOCOLS[protocol] ?? Number(protocol)
}

/** The name where there is one, so that one protocol is always one text. */
function protocolOf(fields: Fields, family: FamilyName | undefined): string {
  const text = fields.get<string>('protocol') ?? 'any'
  if (text === 'any' || Object.hasOwn(PROTOCOLS, text)) return text
  const number = /^\d{1,3}$/.test(text) ? Number(text) : NaN
  if (!(number <= 255)) {
    const hint = oneOfHint(text, ['any', ...Object.keys(PROTOCOLS)])
    const detail = `${quote(text)} is neither the name nor the number (0 to 255) of a protocol.`
    fields.fault('protocol', 'INVALID_VALUE', detail, hint)
    return 'any'
  }
  const names = Object.keys(PROTOCOLS)
  return names.find(name => numberOf(name, family ?? 'ipv4') === number) ?? String(number)
}

function prefixOf(fields: Fields, name: string, family: FamilyName | undefined): string | null {
  const text = fields.get<string>(name)
  if (text === undefined) return null
  const prefix = parsePrefix(text)
  if (prefix === null) {
    const detail = `${quote(text)} is not an address with a prefix length.`
    fields.fault(name, 'INVALID_PREFIX', detail, 'For instance 198.51.100.0/24.')
    return null
  }
  if (prefix.hostBits) {
    const detail = `${quote(text)} has bits behind its prefix length.`
    fields.fault(name, 'INVALID_PREFIX', detail, `Did you mean '${prefix.text}'?`)
  } else if (family !== undefined && prefix.family !== family) {
    const detail = `${prefix.text} is ${prefix.family}; the rule is for ${family}.`
    fields.fault(name, 'FAMILY_MISMATCH', detail)
  }
  return prefix.text
}

/** Each range once, in the order of the document. */
function portsOf(fields: Fields, name: string, protocol: string): string[] | null {
  const texts = fields.get<string[]>(name)
  if (texts === undefined) return null
  if (!WITH_PORTS.includes(protocol) && !fields.isFaulty('protocol'))
    fields.fault(name, 'CONFLICTING_FIELDS', `The protocol ${protocol} has no ports.`)
  if (texts.length === 0)
    fields.fault(name, 'INVALID_PORTS', 'No port matches an empty list.', 'Leave it out for all.')
  const wrong = texts.find(text => canonicalRange(text) === null)
  if (wrong !== undefined) {
    const detail = `${quote(wrong)} is neither a port nor a range of ports from 1 to 65535.`
    fields.fault(name, 'INVALID_PORTS', detail, 'For instance "80" or "1000-2000".')
    return null
  }
  return [...new Set(texts.map(text => canonicalRange(text)!))]
}

function canonicalRange(text: string): string | null {
  if (!/^\d{1,5}(-\d{1,5})?$/.test(text)) return null
  const { first, last } = rangeOf(text)
  if (first < 1 || last > 65535 || first > last) return null
  return first === last ? String(first) : `${first}-${last}`
}

function rangeOf(text: string): { first: number; last: number } {
  const [first, last = first] = text.split('-').map(Number)
  return { first: first!, last: last! }
}
