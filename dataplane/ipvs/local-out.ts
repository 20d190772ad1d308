import { Counter } from '../counters.js'
import type { NetworkView } from '../net/network.js'
import type { Output } from '../output.js'
import { IPV4, type Packet } from '../packet.js'
import { parse } from '../parse.js'
import { FWD_MASK, KILLED, MASQ } from '../shared/conn-record.js'
import { Verdict } from '../verdict.js'
import { ICMP, ICMPV6 } from '../wire/ip-protocol.js'
import type { Clients } from './clients.js'
import type { Connections } from './conn.js'
import type { Crew } from './crew.js'
import type { Icmp } from './icmp.js'
import type { Tombstones } from './kill/tombstones.js'
import type { Protocols } from './proto/index.js'
import type { Protocol } from './proto/protocol.js'
import { isHelpedOffload, type Responder } from './responder.js'
import type { ServiceTable } from './service-table.js'
import type { Settings } from './settings.js'

export interface LocalOutOptions {
  conns: Connections
  services: ServiceTable
  protocols: Protocols
  clients: Clients
  icmp: Icmp
  responder: Responder
  tombstones: Tombstones
  network: NetworkView
  output: Output
  counters: Float64Array
  settings: Settings
  /** Of several workers, each with its own connections; null for the only one. */
  crew: Crew | null
}

/**
 * What this host itself sends (LOCAL_OUT): the answers of real servers on the balancer. A reset
 * closes the connection that it was about, even one that has just expired. Nothing is decremented:
 * no packet of our own has come a hop yet.
 */
export class LocalOut {
  readonly #o: LocalOutOptions

  constructor(options: LocalOutOptions) {
    this.#o = options
  }

  /** A packet as it left the host's stack; `diverted`, it goes nowhere unless we send it. */
  handle(pkt: Packet, diverted: boolean): Verdict {
    const reason = parse(pkt)
    if (reason !== 0) {
      if (diverted) this.#o.counters[reason]!++
      return Verdict.drop
    }
    const { family, protocol: number } = pkt.flow
    if (this.#o.services.count(family) > 0) {
      const protocol = this.#o.protocols.get(number)
      if (!diverted) {
        if (protocol !== null) this.#see(pkt, protocol)
        return Verdict.accept
      }
      const verdict = protocol === null ? this.#other(pkt) : this.#translate(pkt, protocol)
      if (verdict !== Verdict.accept) return verdict
    }
    const { crew } = this.#o
    if (diverted && (crew === null || crew.sendsOwn(pkt.flow))) this.#send(pkt)
    return Verdict.stolen
  }

  /** A transport packet, parsed, that is on its way already. */
  seen(pkt: Packet): void {
    const protocol = this.#o.protocols.get(pkt.flow.protocol)
    if (protocol !== null) this.#see(pkt, protocol)
  }

  #see(pkt: Packet, protocol: Protocol): void {
    const { conns, responder, tombstones } = this.#o
    const c = conns.table.outGet(pkt.flow)
    if (c === 0) return
    const flags = conns.records.flags(c)
    // A masqueraded one is translated, and its answers come from the real server's address.
    if ((flags & FWD_MASK) === MASQ) return
    if ((flags & KILLED) !== 0 && tombstones.fromServer(pkt, c)) return
    responder.respond(pkt, c, protocol, null)
  }

  #translate(pkt: Packet, protocol: Protocol): Verdict {
    const { conns, clients, responder, tombstones } = this.#o
    const c = conns.table.outGet(pkt.flow)
    if (c === 0) return this.#isUnknown(pkt, protocol) ? Verdict.drop : Verdict.accept
    const flags = conns.records.flags(c)
    const masq = (flags & FWD_MASK) === MASQ
    if ((flags & KILLED) !== 0 && tombstones.fromServer(pkt, c))
      return masq ? Verdict.drop : Verdict.accept
    if (isHelpedOffload(pkt, flags))
      return responder.segments(pkt, piece => this.#translate(piece, protocol))
    return responder.respond(pkt, c, protocol, masq ? clients.towards(c) : null)
  }

  /**
   * nat_icmp_send: a real server's packet about no connection goes nowhere, on this host too. The
   * kernel also tells the local socket, which then gives up sooner.
   */
  #isUnknown(pkt: Packet, protocol: Protocol): boolean {
    const { settings, services, counters } = this.#o
    const isUnknown =
      settings.natIcmpSend && services.isServerSource(pkt.flow) && !protocol.isReset(pkt)
    if (isUnknown) counters[Counter.noDest]!++
    return isUnknown
  }

  #other(pkt: Packet): Verdict {
    const { family, protocol } = pkt.flow
    const isIcmp = protocol === (family === IPV4 ? ICMP : ICMPV6)
    return isIcmp ? this.#o.icmp.ownOut(pkt) : Verdict.accept
  }

  /** Where the host was going to send it. */
  #send(pkt: Packet): void {
    const f = pkt.flow
    const { network, output, counters } = this.#o
    counters[Counter.forwarded]!++
    output.send(pkt, network.resolve(f.family, f.dst0, f.dst1, f.dst2, f.dst3))
  }
}
