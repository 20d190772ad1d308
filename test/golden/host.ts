/**
 * Plays the Linux host around the dataplane: it gets every packet that the packet guard does not
 * hide, whatever the dataplane makes of it, and answers or forwards it. The guard's rules are those
 * of the appliance's nftables table.
 */
import * as address from '../../dataplane/wire/address.js'
import { NextHop, type Adjacency } from '../../dataplane/net/network.js'
import type { Clock } from '../../dataplane/clock.js'
import type { NetworkTable } from '../../dataplane/net/network-table.js'
import { buildBytes, onesComplement } from '../fixtures/packets.js'
import { readHeaders, type Headers } from './headers.js'
import { isIntact } from './intact.js'
import { WIRES } from './topology.js'
import type { Wire } from './case.js'

const ICMP = 1
const IGMP = 2
const IPIP = 4
const TCP = 6
const UDP = 17
const GRE = 47
const ICMPV6 = 58
const SCTP = 132
/** Milliseconds since midnight at time 0 of the only recording that asks. */
const BENCH_MIDNIGHT_MS = 31_344_956
const ICMP_TOTAL_MAX = 576
const ICMPV6_TOTAL_MAX = 1280

export interface HostFrame {
  port: Wire
  dmac: string
  ip: Uint8Array
  /** Only passes through: what the guard does with the host's own packets does not concern it. */
  forwarded: boolean
}

export interface HostOptions {
  network: NetworkTable
  /** Whether the guard keeps the packet from the host. */
  hides: (ip: Uint8Array, headers: Headers) => boolean
  clock: Clock
}

export class Host {
  readonly #network: NetworkTable
  readonly #hides: HostOptions['hides']
  readonly #clock: Clock
  readonly #sent: HostFrame[] = []

  constructor({ network, hides, clock }: HostOptions) {
    this.#network = network
    this.#clock = clock
    this.#hides = hides
  }

  /** What the host sends because of that packet. */
  receive(wire: Wire, ip: Uint8Array): HostFrame[] {
    this.#sent.length = 0
    const h = readHeaders(ip)
    if (h === null || !this.#isAcceptable(ip, h) || this.#hides(ip, h)) return []
    const whole = ip.subarray(0, h.total)
    if (this.#isLocal(h.dst)) this.#deliver(whole, h)
    else this.#forward(wire, whole, h)
    return [...this.#sent]
  }

  /** Takes a packet that the dataplane hands to its own host, past the guard. */
  accept(ip: Uint8Array): HostFrame[] {
    this.#sent.length = 0
    const h = readHeaders(ip)
    if (h === null) return []
    if (this.#isLocal(h.dst)) this.#deliver(ip, h)
    else this.#emit(ip, this.#resolve(h.dst))
    return [...this.#sent]
  }

  #isAcceptable(ip: Uint8Array, h: Headers): boolean {
    if (h.family === 6) return !h.src.startsWith('ff') && h.src !== '::'
    if (this.#isLocal(h.src)) return false
    if (onesComplement(ip.subarray(0, h.l4)) !== 0) return false
    const first = Number(h.src.split('.')[0])
    if (first === 0 || first === 127 || first >= 224) return false
    for (
      let at = 20;
      at < h.l4 && ip[at] !== 0;
      at += ip[at] === 1 ? 1 : Math.max(2, ip[at + 1]!)
    ) {
      if (ip[at] === 0x83 || ip[at] === 0x89) return false
    }
    return true
  }

  #deliver(ip: Uint8Array, h: Headers): void {
    if (h.fragmentOffset !== 0 || h.moreFragments) return
    const payload = ip.subarray(h.l4)
    const b = Buffer.from(payload)
    if (!isIntact(ip, h)) return
    switch (h.protocol) {
      case TCP:
        if (payload.length >= 20) this.#reset(h, b)
        return
      case SCTP:
        if (payload.length >= 16) this.#refuseSctp(h, b)
        return
      case ICMP:
      case ICMPV6:
        if (payload.length >= 8) this.#answerIcmp(h, b)
        return
      case IGMP:
        return
      case UDP:
        if (payload.length >= 8) this.#unreachable(ip, h, 3)
        return
      default:
        this.#unreachable(ip, h, h.protocol === IPIP || h.protocol === GRE ? 3 : 2)
    }
  }

  #reset(h: Headers, b: Buffer): void {
    const flags = b[13]!
    if ((flags & 4) !== 0) return
    const acknowledges = (flags & 16) !== 0
    const data = Math.max(0, b.length - (b[12]! >>> 4) * 4)
    const octets = data + ((flags >>> 1) & 1) + (flags & 1)
    this.#reply(h, {
      df: true,
      tos: h.tos & 0xfc,
      tcp: {
        srcPort: h.ports!.dst,
        dstPort: h.ports!.src,
        seq: acknowledges ? b.readUInt32BE(8) : 0,
        ack: acknowledges ? 0 : (b.readUInt32BE(4) + octets) >>> 0,
        flags: acknowledges ? 'R' : 'R.',
        window: 0,
      },
    })
  }

  /** RFC 9260 section 8.4. */
  #refuseSctp(h: Headers, b: Buffer): void {
    const chunks: number[] = []
    for (let at = 12; at + 4 <= b.length;) {
      chunks.push(b[at]!)
      const octets = b.readUInt16BE(at + 2)
      if (octets < 4) break
      at += Math.ceil(octets / 4) * 4
    }
    if (chunks.includes(6) || chunks.includes(14) || chunks.lastIndexOf(1) > 0) return
    const opens = chunks[0] === 1 || chunks[0] === 10
    const type = !opens && chunks.includes(8) ? 14 : 6
    if (!opens && type === 6 && chunks.includes(11)) return
    const isInit = chunks[0] === 1 && b.length >= 20
    this.#reply(h, {
      df: true,
      tos: 2,
      sctp: {
        srcPort: h.ports!.dst,
        dstPort: h.ports!.src,
        tag: isInit ? b.readUInt32BE(16) : b.readUInt32BE(4),
        chunks: [{ type, flags: isInit ? 0 : 1 }],
      },
    })
  }

  #answerIcmp(h: Headers, b: Buffer): void {
    const type = b[0]!
    const rest = b.readUInt32BE(4)
    if (h.family === 6) {
      if (type === 128) this.#reply(h, { icmp: { type: 129, rest, payload: b.subarray(8) } })
    } else if (onesComplement(b) === 0) {
      if (type === 8) this.#reply(h, { icmp: { type: 0, rest, payload: b.subarray(8) } })
      if (type === 13) this.#reply(h, { icmp: { type: 14, rest, payload: this.#timestamps(b) } })
    }
  }

  /** RFC 792: their time of sending, ours of receiving and of sending. */
  #timestamps(b: Buffer): Uint8Array {
    const payload = Buffer.alloc(12)
    b.copy(payload, 0, 8, 12)
    const now = BENCH_MIDNIGHT_MS + Math.floor(this.#clock.now())
    payload.writeUInt32BE(now, 4)
    payload.writeUInt32BE(now, 8)
    return payload
  }

  #unreachable(ip: Uint8Array, h: Headers, code: number): void {
    if (h.family === 4) this.#error(ip, h, h.dst, 3, code, 0)
    else if (code === 3) this.#error(ip, h, h.dst, 1, 4, 0)
    else this.#error(ip, h, h.dst, 4, 1, 6)
  }

  #error(ip: Uint8Array, h: Headers, src: string, type: number, code: number, rest: number): void {
    if (isError(ip, h)) return
    const room = h.family === 4 ? ICMP_TOTAL_MAX - 28 : ICMPV6_TOTAL_MAX - 48
    const payload = ip.subarray(0, Math.min(ip.length, room))
    const tos = h.family === 4 ? (h.tos & 0x1e) | 0xc0 : 0
    this.#send(buildBytes({ src, dst: h.src, tos, icmp: { type, code, rest, payload } }))
  }

  #reply(h: Headers, record: Omit<Parameters<typeof buildBytes>[0], 'src' | 'dst'>): void {
    this.#send(buildBytes({ src: h.dst, dst: h.src, ...record }))
  }

  /** ip_forward: TTL, route, MTU, TTL - 1. */
  #forward(wire: Wire, ip: Uint8Array, h: Headers): void {
    if (isMulticast(h.dst)) return
    const towards = this.#resolve(h.dst)
    if (towards.kind === NextHop.unreachable) return
    const own = this.#sourceOn(wire, h.family)
    if (h.ttl <= 1) return this.#error(ip, h, own, h.family === 4 ? 11 : 3, 0, 0)
    if (ip.length > towards.mtuOctets && h.dontFragment) {
      const type = h.family === 4 ? 3 : 2
      return this.#error(ip, h, own, type, h.family === 4 ? 4 : 0, towards.mtuOctets)
    }
    const out = Uint8Array.from(ip)
    out[h.family === 4 ? 8 : 7] = h.ttl - 1
    if (h.family === 4) {
      out.set([0, 0], 10)
      const sum = onesComplement(out.subarray(0, h.l4))
      out.set([sum >>> 8, sum & 0xff], 10)
    }
    this.#emit(out, towards, true)
  }

  #send(ip: Uint8Array): void {
    this.#emit(ip, this.#resolve(readHeaders(ip)!.dst))
  }

  #emit(ip: Uint8Array, towards: Adjacency, forwarded = false): void {
    if (towards.kind !== NextHop.ethernet) return
    const v = new DataView(new ArrayBuffer(6))
    v.setUint16(0, towards.dstMacHigh)
    v.setInt32(2, towards.dstMacLow)
    const dmac = Buffer.from(v.buffer).toString('hex').match(/../g)!.join(':')
    this.#sent.push({ port: WIRES[towards.port]!, dmac, ip, forwarded })
  }

  #isLocal(text: string): boolean {
    const { family, w0, w1, w2, w3 } = address.parse(text)!
    return this.#network.isLocal(family, w0, w1, w2, w3)
  }

  #resolve(text: string): Adjacency {
    const { family, w0, w1, w2, w3 } = address.parse(text)!
    return this.#network.resolve(family, w0, w1, w2, w3)
  }

  #sourceOn(wire: Wire, family: number): string {
    const out = new Int32Array(4)
    this.#network.sourceAddress(WIRES.indexOf(wire), family, out)
    return address.format(family, out[0]!, out[1]!, out[2]!, out[3]!)
  }
}

const isMulticast = (text: string): boolean =>
  text.startsWith('ff') || (!text.includes(':') && Number(text.split('.')[0]) >= 224)

function isError(ip: Uint8Array, h: Headers): boolean {
  const type = ip[h.l4]!
  if (h.protocol === ICMP) return [3, 4, 5, 11, 12].includes(type)
  return h.protocol === ICMPV6 && type < 128
}
