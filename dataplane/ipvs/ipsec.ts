import { Flow, type Packet } from '../packet.js'
import { copyFlow } from '../piece.js'
import { FWD_MASK, MASQ } from '../shared/conn-record.js'
import { Verdict } from '../verdict.js'
import { UDP } from '../wire/ip-protocol.js'
import type { Crew } from './crew.js'
import type { Clients } from './clients.js'
import type { Connections } from './conn.js'
import type { Forwarder } from './forwarder.js'
import type { Traffic } from './traffic.js'
import { snat } from './xmit/nat.js'
import type { Transmit } from './xmit/transmit.js'

/** Port of the key exchange, both ends (RFC 2408 section 2.5.1). */
const ISAKMP = 500

export interface IpsecOptions {
  conns: Connections
  traffic: Traffic
  transmit: Transmit
  clients: Clients
  forwarder: Forwarder
  crew: Crew | null
}

/**
 * AH and ESP (ip_vs_proto_ah_esp.c): they open no connection of their own but follow the one of the
 * key exchange between the same addresses, keeping it alive and counting in it. Its state does not
 * change, and of NAT only the addresses are done.
 */
export class Ipsec {
  readonly #o: IpsecOptions
  readonly #isakmp = new Flow()

  constructor(options: IpsecOptions) {
    this.#o = options
  }

  in(pkt: Packet): Verdict {
    const { conns, traffic, transmit } = this.#o
    const c = conns.table.inGet(this.#exchangeOf(pkt))
    if (c === 0 && this.#o.crew?.passIn(pkt, pkt.flow, false)) return Verdict.stolen
    if (c === 0) return Verdict.accept
    const dest = conns.destOf(c)
    if (dest !== undefined && !dest.available) return Verdict.drop
    traffic.in(dest, pkt.end - pkt.l3)
    const verdict = transmit.send(pkt, c, dest)
    conns.records.setInPkts(c, conns.records.inPkts(c) + 1)
    conns.release(c)
    return verdict
  }

  out(pkt: Packet): Verdict {
    const { conns, traffic, clients, forwarder } = this.#o
    const c = conns.table.outGet(this.#exchangeOf(pkt))
    if (c === 0 && this.#o.crew?.passOut(pkt, pkt.flow, false)) return Verdict.stolen
    if (c === 0) return Verdict.accept
    const masq = (conns.records.flags(c) & FWD_MASK) === MASQ
    const adjacency = masq ? clients.towards(c) : null
    if (adjacency !== null && !forwarder.passOut(pkt, adjacency)) return Verdict.drop
    traffic.out(conns.destOf(c), pkt.end - pkt.l3)
    conns.release(c)
    if (adjacency === null) return Verdict.accept
    snat(pkt, conns.records.words, c)
    forwarder.output.send(pkt, adjacency)
    return Verdict.stolen
  }

  #exchangeOf(pkt: Packet): Flow {
    toKeyExchange(pkt.flow, this.#isakmp)
    return this.#isakmp
  }
}

/** The addresses of an AH or ESP packet as those of its key exchange; both may be the same Flow. */
export function toKeyExchange(flow: Flow, exchange: Flow): void {
  copyFlow(flow, exchange)
  exchange.protocol = UDP
  exchange.srcPort = ISAKMP
  exchange.dstPort = ISAKMP
}
