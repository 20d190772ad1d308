import { Counter } from '../counters.js'
import type { Adjacency } from '../net/network.js'
import type { Output } from '../output.js'
import type { Packet } from '../packet.js'
import { HELPED } from '../shared/conn-record.js'
import { Verdict } from '../verdict.js'
import * as virtioNet from '../wire/virtio-net.js'
import type { Applications } from './app/index.js'
import type { Connections } from './conn.js'
import { Direction, type Protocol } from './proto/protocol.js'
import { hasOptions, type IpOptions } from './ip-options.js'
import type { Traffic } from './traffic.js'
import { snat } from './xmit/nat.js'

// Plain constants: a property of an object built at run time is a load on every packet.
const FORWARDED = Counter.forwarded
const OUTPUT = Direction.output

export interface ResponderOptions {
  conns: Connections
  applications: Applications
  traffic: Traffic
  output: Output
  counters: Float64Array
  options: IpOptions
}

/** What becomes of a packet that a real server sends to a client (handle_response). */
export class Responder {
  readonly #conns: Connections
  readonly #applications: Applications
  readonly #traffic: Traffic
  readonly #output: Output
  readonly #counters: Float64Array
  readonly #options: IpOptions

  constructor({ conns, applications, traffic, output, counters, options }: ResponderOptions) {
    this.#options = options
    this.#conns = conns
    this.#applications = applications
    this.#traffic = traffic
    this.#output = output
    this.#counters = counters
  }

  /** `adjacency` is null unless the reply is ours to rewrite and send. */
  respond(pkt: Packet, c: number, protocol: Protocol, adjacency: Adjacency | null): Verdict {
    const { records } = this.#conns
    const helped = adjacency !== null && (records.flags(c) & HELPED) !== 0
    if (helped) {
      // As in handle_response before all else: what is dropped here counts for nothing.
      const changed = this.#applications.out(pkt, c)
      if (changed === null) {
        this.#conns.release(c)
        return Verdict.drop
      }
      pkt = changed
    }
    this.#traffic.out(this.#conns.destOf(c), pkt.end - pkt.l3)
    protocol.setState(c, OUTPUT, pkt)
    if (adjacency === null) {
      this.#conns.release(c)
      return Verdict.accept
    }
    snat(pkt, records.words, c)
    // What a reply is routed by is its new source.
    if (hasOptions(pkt)) this.#options.depart(pkt, pkt.flow.src0, records.vaddr(c, 0))
    // A one-packet connection ends here.
    this.#conns.release(c)
    this.#counters[FORWARDED]!++
    if (helped && pkt.end - pkt.l3 > adjacency.mtuOctets) return this.#grown(pkt, adjacency)
    this.#output.send(pkt, adjacency)
    return Verdict.stolen
  }

  /** Each segment of an offload frame goes its own way through the helper. */
  segments(pkt: Packet, each: (piece: Packet) => void): Verdict {
    this.#applications.segments(pkt, each)
    return Verdict.stolen
  }

  /** A helper's text may no longer fit the link. */
  #grown(pkt: Packet, adjacency: Adjacency): Verdict {
    const output = this.#output
    this.#applications.split(pkt, adjacency.mtuOctets, piece => output.send(piece, adjacency))
    return Verdict.stolen
  }
}

/** Whether the frame stands for several packets of a connection that has a helper. */
export const isHelpedOffload = ({ view, l2 }: Packet, flags: number): boolean =>
  (flags & HELPED) !== 0 && virtioNet.isGso(view, l2 - virtioNet.LENGTH)
