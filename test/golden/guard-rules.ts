/**
 * What the appliance's packet guard keeps from the host: packets to the endpoints of virtual
 * services and from those of masquerading real servers, marked packets of mark services, ICMP
 * errors that quote any of them, and later fragments of such hosts unless the first fragment of
 * their datagram was somebody else's.
 */
import { Flow, Packet } from '../../dataplane/packet.js'
import type { Ipvs } from '../../dataplane/ipvs/ipvs.js'
import * as address from '../../dataplane/wire/address.js'
import { readHeaders, type Headers } from './headers.js'

const FTP_DATA_PORT = 20
/** ESP and AH, which have no ports. */
const IPSEC = [50, 51]
/** What is remembered of each kind; the oldest goes first. */
const REMEMBERED_MAX = 65536
const ERRORS4 = [3, 4, 11]
const ERRORS6 = [1, 2, 3, 4]

export class GuardRules {
  readonly #ipvs: Ipvs
  /** Datagrams whose first fragment was not guarded. */
  readonly #others = new Set<string>()
  /** Datagrams whose first fragment was. */
  readonly #ours = new Set<string>()
  /** Client endpoints of FTP data connections to a port of the virtual address. */
  readonly #dataClients = new Set<string>()

  constructor(ipvs: Ipvs) {
    this.#ipvs = ipvs
  }

  hides(ip: Uint8Array, h: Headers): boolean {
    const flow = flowOf(h)
    const hidden = h.fragmentOffset === 0 && this.#hidesWhole(ip, h, flow)
    if (h.fragmentOffset === 0 && !h.moreFragments) return hidden
    const datagram = `${h.src} ${h.dst} ${h.protocol} ${identificationOf(ip, h)}`
    if (hidden) remember(this.#ours, datagram)
    if (hidden || this.#ours.has(datagram)) return true
    if (h.fragmentOffset === 0) remember(this.#others, datagram)
    const { services } = this.#ipvs
    const isKnown =
      services.knowsAddress(flow.family, flow.dst0, flow.dst1, flow.dst2, flow.dst3) ||
      services.knowsAddress(flow.family, flow.src0, flow.src1, flow.src2, flow.src3)
    return isKnown && !this.#others.has(datagram)
  }

  /** What the guard does with a packet that the host itself sends (its chains `sent4`, `sent6`). */
  sent(ip: Uint8Array, h: Headers): 'diverted' | 'seen' | null {
    const { guarded } = this.#ipvs
    const flow = flowOf(h)
    if (guarded.isFromReal(flow, false)) return 'diverted'
    if (h.protocol === 1 || h.protocol === 58) {
      const quoted = this.#quotedIn(ip, h)
      return quoted !== null && guarded.isFromReal(quoted, true) ? 'diverted' : null
    }
    return guarded.isToVip(flow, true) ? 'seen' : null
  }

  #hidesWhole(ip: Uint8Array, h: Headers, flow: Flow): boolean {
    const { guarded, marks } = this.#ipvs
    if (h.protocol === 1 || h.protocol === 58) return this.#hidesError(ip, h)
    if (guarded.isToVip(flow, false)) {
      remember(this.#dataClients, `${h.src} ${flow.srcPort}`)
      return true
    }
    if (guarded.isFromReal(flow, false) || this.#isFtpData(flow, h)) return true
    const mark = marks.markOf(packetOf(flow))
    return mark !== 0 && this.#ipvs.services.getMark(h.family, mark) !== undefined
  }

  /** A real server's packet of a passive data connection: its client was seen before. */
  #isFtpData(flow: Flow, h: Headers): boolean {
    if (!this.#dataClients.has(`${h.dst} ${flow.dstPort}`)) return false
    const { guarded } = this.#ipvs
    return guarded.isFromReal({ ...flow, srcPort: FTP_DATA_PORT }, false)
  }

  #hidesError(ip: Uint8Array, h: Headers): boolean {
    const { guarded } = this.#ipvs
    const flow = this.#quotedIn(ip, h)
    return flow !== null && (guarded.isToVip(flow, true) || guarded.isFromReal(flow, true))
  }

  /** The packet that an ICMP error is about, null when it is no such thing. */
  #quotedIn(ip: Uint8Array, h: Headers): Flow | null {
    const type = ip[h.l4] ?? 255
    if (!(h.family === 4 ? ERRORS4 : ERRORS6).includes(type)) return null
    const quoted = readHeaders(padded(ip.subarray(h.l4 + 8)))
    if (quoted === null || (quoted.ports === null && !IPSEC.includes(quoted.protocol))) return null
    return flowOf(quoted)
  }
}

function remember(set: Set<string>, what: string): void {
  // Anew at the end, as nftables' `update` renews an element's time.
  set.delete(what)
  set.add(what)
  if (set.size > REMEMBERED_MAX) set.delete(set.values().next().value!)
}

function identificationOf(ip: Uint8Array, h: Headers): number {
  const b = Buffer.from(ip)
  return h.family === 4 ? b.readUInt16BE(4) : b.readUInt32BE(h.l4 - 4)
}

/** Quotes are cut short; their length fields are not. */
function padded(quote: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(65600)
  bytes.set(quote)
  return quote.length < 20 ? quote : bytes
}

function packetOf(flow: Flow): Packet {
  return Object.assign(new Packet(new Uint8Array(1)), { flow, port: 0 })
}

function flowOf(h: Headers): Flow {
  const flow = new Flow()
  const src = address.parse(h.src)!
  const dst = address.parse(h.dst)!
  flow.family = h.family
  flow.protocol = h.protocol
  flow.src0 = src.w0
  flow.src1 = src.w1
  flow.src2 = src.w2
  flow.src3 = src.w3
  flow.dst0 = dst.w0
  flow.dst1 = dst.w1
  flow.dst2 = dst.w2
  flow.dst3 = dst.w3
  flow.srcPort = h.ports?.src ?? 0
  flow.dstPort = h.ports?.dst ?? 0
  return flow
}
