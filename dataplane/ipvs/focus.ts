/** What of the engine one packet can meet: found by the engine's own lookups, which change nothing. */
import { Flow, IPV4, type Packet } from '../packet.js'
import { parseQuoted, QuotedPacket } from '../parse.js'
import { AH, ESP, UDP } from '../wire/ip-protocol.js'
import { ConnParams } from './conn-params.js'
import type { Dest } from './dest.js'
import type { Ipvs } from './ipvs.js'
import { quoteOf } from './observer.js'
import { Excerpt } from './pe/engine.js'
import { engineOf } from './pe/index.js'
import { takeEndpoints, writeTemplateKey } from './scheduling.js'
import type { Service } from './service.js'

const ISAKMP_PORT = 500

export interface Focus {
  /** The flow that is looked up: the packet's own, or the one that it quotes. */
  readonly flow: Flow
  /** Whether that one was quoted by an ICMP error, so its source is the virtual side. */
  readonly inverse: boolean
  /** Whom the packet goes to when it belongs to no connection. */
  readonly service: Service | undefined
  readonly services: readonly Service[]
  /** Real servers that were deleted and still have connections among these. */
  readonly graves: readonly Dest[]
  /** The template that the service looks for, 0 when there is none. */
  readonly template: number
  /** Connections and templates. */
  readonly conns: readonly number[]
}

/** `pkt` has been parsed; `mark` is its mark, 0 for none. */
export function focusOn(real: Ipvs, pkt: Packet, mark: number): Focus {
  const { services: table } = real
  const quoted = new Flow()
  const where = new QuotedPacket()
  const inverse = quoteOf(pkt, quoted, where)
  const flow = inverse ? quoted : pkt.flow
  const service = table.find(flow, mark, inverse)
  const services = new Set<Service>()
  const add = (found: Service | undefined) => found !== undefined && services.add(found)
  add(service)
  for (const dest of [table.serverOf(pkt.flow), table.serverOf(reversed(flow))])
    if (dest !== undefined) add(table.byRow(dest.serviceRow))
  for (const dest of table.tunnelServers(flow)) add(table.byRow(dest.serviceRow))
  const conns = new Set<number>()
  for (const c of lookedUp(real, pkt, flow, where)) withControl(real, c, conns)
  const wanted = service === undefined ? [] : [...templates(real, pkt, flow, inverse, [service])]
  for (const c of wanted) withControl(real, c, conns)
  for (const c of templates(real, pkt, flow, inverse, services)) withControl(real, c, conns)
  const graves = new Set<Dest>()
  for (const c of conns) {
    const dest = real.conns.destOf(c)
    if (dest === undefined) continue
    if (dest.available) add(table.byRow(dest.serviceRow))
    else graves.add(dest)
  }
  // Every fragment for an address of ours is collected, whatever its port.
  if (pkt.fragmentOffset !== 0 || pkt.moreFragments) add(neighbourOf(real, pkt.flow))
  // IPVS looks at packets of a family while there is a service of it.
  const { family } = pkt.flow
  if (table.count(family) > 0)
    add([...services].find(isOf(family)) ?? [...table].find(isOf(family)))
  const lists = { services: [...services], graves: [...graves], conns: [...conns] }
  return { flow, inverse, service, template: wanted[0] ?? 0, ...lists }
}

const isOf = (family: number) => (service: Service) => service.family === family

/** Every lookup that the packet path makes for this packet or for the host's answer to it. */
function lookedUp({ conns }: Ipvs, pkt: Packet, flow: Flow, where: QuotedPacket): number[] {
  const { table } = conns
  const found = [table.inGet(flow), table.outGet(flow)]
  found.push(table.inGetInverse(flow), table.outGetInverse(flow))
  const { protocol } = pkt.flow
  if (protocol === ESP || protocol === AH) {
    const exchange = Object.assign(new Flow(), pkt.flow)
    Object.assign(exchange, { protocol: UDP, srcPort: ISAKMP_PORT, dstPort: ISAKMP_PORT })
    found.push(table.inGet(exchange), table.outGet(exchange))
  }
  if (flow !== pkt.flow && flow.family === IPV4) {
    // The outer header of a tunnel may be quoted: wherever an IPv4 header may stand inside.
    const inner = new Flow()
    for (let at = where.l4; at <= Math.min(where.l4 + INNER_MAX, where.end - 20); at += 4)
      if (parseQuoted(pkt, at, inner, new QuotedPacket()) === 0) found.push(table.inGet(inner))
  }
  return found.filter(c => c !== 0)
}

/** UDP and GUE with all of its private words. */
const INNER_MAX = 8 + 4 + 31 * 4

function* templates(
  real: Ipvs,
  pkt: Packet,
  flow: Flow,
  inverse: boolean,
  services: Iterable<Service>,
): Generator<number> {
  const { table, engineData } = real.conns
  const params = new ConnParams()
  const key = new ConnParams()
  for (const service of services) {
    if (!service.persistent) continue
    takeEndpoints(params, flow, inverse)
    const engine = engineOf(service.persistenceEngine)
    const excerpt = new Excerpt()
    if (engine !== null && !engine.read(pkt, excerpt)) continue
    writeTemplateKey(key, params, service, params.vport === service.port)
    const c = engine === null ? table.templateOf(key) : engineData.find(key, excerpt)
    if (c !== 0) yield c
    // A call that the real server begins.
    if (engine === null) continue
    takeEndpoints(params, flow, true)
    const { w0: v0, w1: v1, w2: v2, w3: v3, port: vport } = service
    Object.assign(params, { v0, v1, v2, v3, vport })
    writeTemplateKey(key, params, service, true)
    const begun = engineData.find(key, excerpt)
    if (begun !== 0) yield begun
  }
}

function withControl({ conns }: Ipvs, c: number, found: Set<number>): void {
  for (let each = c; each !== 0 && !found.has(each); each = conns.records.control(each))
    found.add(each)
}

/** A service that has one of the flow's addresses itself or as its real server's. */
function neighbourOf(real: Ipvs, { family, src0, src1, src2, src3, ...f }: Flow) {
  const { dst0, dst1, dst2, dst3 } = f
  const isMet = (a: { family: number; w0: number; w1: number; w2: number; w3: number }) =>
    a.family === family &&
    ((a.w0 === src0 && a.w1 === src1 && a.w2 === src2 && a.w3 === src3) ||
      (a.w0 === dst0 && a.w1 === dst1 && a.w2 === dst2 && a.w3 === dst3))
  return [...real.services].find(service => isMet(service) || service.dests.some(isMet))
}

function reversed(f: Flow): Flow {
  const flow = new Flow()
  const { family, protocol, srcPort: dstPort, dstPort: srcPort } = f
  const { src0: dst0, src1: dst1, src2: dst2, src3: dst3 } = f
  const { dst0: src0, dst1: src1, dst2: src2, dst3: src3 } = f
  Object.assign(flow, { family, protocol, srcPort, dstPort })
  return Object.assign(flow, { src0, src1, src2, src3, dst0, dst1, dst2, dst3 })
}
