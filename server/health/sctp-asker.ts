/**
 * INITs of all SCTP checks: one raw socket a family, opened with the first check, answers told apart
 * by address, ports and tag. Neither Node.js nor every kernel has SCTP, and none is needed: an INIT
 * ACK says all that a check asks, and the peer keeps nothing for it (RFC 9260 section 5.1.3).
 */
import { randomInt } from 'node:crypto'
import type { FamilyName } from '../../dataplane/protocol.js'
import type { openRawSocket } from '../host/raw-library.js'
import { addressOctets, parseAddress } from '../ip-address.js'
import { checksum, PROTOCOLS as ICMP } from './icmp-echo.js'
import { destinationIn, messageIn } from './ip-packet.js'
import { sendingFault, type PingFailure } from './pinger.js'
import { ProbeSockets } from './probe-sockets.js'
import { abortPacket, initPacket, portsIn, quotedInit, readSctp, SCTP } from './sctp-init.js'

export interface SctpOrder {
  address: string
  port: number
  sourceAddress: string | null
  /** 0 leaves it to the asker. */
  sourcePort: number
}

export interface SctpAsker {
  /** `done` is called at most once, null for an INIT ACK. Returns what stops waiting. */
  ask(order: SctpOrder, done: (failure: PingFailure) => void): () => void
}

interface Waiting {
  order: SctpOrder
  address: string
  tag: number
  done: (failure: PingFailure) => void
}

/** RFC 6335 section 6: dynamic ports. */
const FIRST_PORT = 49_152
const PORTS = 0x10000 - FIRST_PORT
const WORD = 2 ** 32
const ICMP_HEADER = 8
const UNREACHABLE = { ipv4: 3, ipv6: 1 }
const TIME_EXCEEDED = { ipv4: 11, ipv6: 3 }
/** RFC 4443 section 3.4, code 1: how an IPv6 host without SCTP says so. */
const PARAMETER_PROBLEM_6 = 4
const UNKNOWN_NEXT_HEADER = 1
const ICMP_TYPES = {
  ipv4: [UNREACHABLE.ipv4, TIME_EXCEEDED.ipv4],
  ipv6: [UNREACHABLE.ipv6, TIME_EXCEEDED.ipv6, PARAMETER_PROBLEM_6],
}

export class RawSctpAsker implements SctpAsker {
  readonly #sockets: ProbeSockets
  readonly #waiting: Record<FamilyName, Map<number, Waiting>> = { ipv4: new Map(), ipv6: new Map() }

  constructor(open?: typeof openRawSocket) {
    this.#sockets = new ProbeSockets({
      ...{ icmpTypes: ICMP_TYPES, open },
      take: (family, protocol, octets, source) =>
        protocol === SCTP
          ? this.#take(family, octets, source)
          : this.#quoted(family, octets, source),
    })
  }

  ask(order: SctpOrder, done: (failure: PingFailure) => void): () => void {
    const { family, text } = parseAddress(order.address)!
    const waiting = this.#waiting[family]
    const sourcePort = order.sourcePort === 0 ? freePort(waiting) : order.sourcePort
    if (sourcePort === null) {
      done({ reason: 'internal', detail: 'There are too many SCTP checks under way.' })
      return () => undefined
    }
    const asked = { order, address: text, tag: randomInt(1, WORD), done }
    waiting.set(sourcePort, asked)
    const octets = initPacket({ sourcePort, port: order.port }, asked.tag, randomInt(WORD))
    try {
      this.#sockets.listen(family, ICMP[family])
      this.#send(family, asked, octets)
    } catch (error) {
      waiting.delete(sourcePort)
      done(sendingFault('An SCTP INIT', (error as Error).message))
    }
    return () => {
      if (waiting.get(sourcePort) === asked) waiting.delete(sourcePort)
    }
  }

  close(): void {
    this.#sockets.close()
  }

  #send(family: FamilyName, { address, order }: Waiting, octets: Buffer): void {
    const { sourceAddress: source } = order
    this.#sockets.send({ family, protocol: SCTP, to: address, source, octets })
  }

  #take(family: FamilyName, octets: Buffer, source: string): void {
    const message = family === 'ipv4' ? messageIn(family, octets, SCTP) : octets
    const ports = message && portsIn(message)
    // Most SCTP of this host is none of ours, and costs no more than this.
    const asked = ports && this.#waiting[family].get(ports.port)
    if (!asked || ports.sourcePort !== asked.order.port) return
    if (parseAddress(source)?.text !== asked.address) return
    const found = readSctp(message)
    if (found === null || found.tag !== asked.tag) return
    const { answer } = found
    // What has our tag comes from the peer; one answer is enough.
    this.#waiting[family].delete(ports.port)
    if (answer.kind === 'abort') asked.done(abortedBy(asked, answer.causes))
    else if (answer.kind === 'strange')
      asked.done({ reason: 'protocol', detail: `The answer to the INIT is ${answer.what}.` })
    else {
      this.#leave(family, asked, ports.port, answer.peerTag)
      asked.done(null)
    }
  }

  /** The peer keeps nothing for an INIT ACK; this is for those that do, and for what counts states. */
  #leave(family: FamilyName, asked: Waiting, sourcePort: number, peerTag: number): void {
    try {
      this.#send(family, asked, abortPacket({ sourcePort, port: asked.order.port }, peerTag))
    } catch {
      // It has answered, and that was the question.
    }
  }

  #quoted(family: FamilyName, octets: Buffer, source: string): void {
    const error = family === 'ipv4' ? messageIn(family, octets, ICMP.ipv4) : octets
    if (error === null || error.length < ICMP_HEADER) return
    // The kernel hands IPv4 messages to raw sockets before it looks at the checksum.
    if (family === 'ipv4' && checksum([error]) !== 0) return
    const packet = error.subarray(ICMP_HEADER)
    const message = messageIn(family, packet, SCTP)
    const init = message && quotedInit(message)
    const asked = init && this.#waiting[family].get(init.sourcePort)
    if (!asked || init.port !== asked.order.port || init.tag !== asked.tag) return
    if (!destinationIn(family, packet).equals(addressOctets(asked.address))) return
    const failure = failureOf(family, error[0]!, error[1]!, source)
    if (failure === null) return
    this.#waiting[family].delete(init.sourcePort)
    asked.done(failure)
  }
}

/** At random, so that nobody can foresee it; null: there is none. */
function freePort(waiting: ReadonlyMap<number, unknown>): number | null {
  if (waiting.size >= PORTS / 2) return null
  for (;;) {
    const port = FIRST_PORT + randomInt(PORTS)
    if (!waiting.has(port)) return port
  }
}

function abortedBy({ address, order }: Waiting, causes: readonly number[]): PingFailure {
  const why = causes.length === 0 ? '' : ` (error cause ${causes.slice(0, 4).join(', ')})`
  return { reason: 'refused', detail: `${address}, port ${order.port}, answers with ABORT${why}.` }
}

/** Null: an error that ends nothing, as one that a packet was too big. */
function failureOf(family: FamilyName, type: number, code: number, source: string): PingFailure {
  if (type === TIME_EXCEEDED[family])
    return { reason: 'unreachable', detail: `${source} reports a routing loop.` }
  const hasNoSctp =
    family === 'ipv4'
      ? type === UNREACHABLE.ipv4 && code === 2
      : type === PARAMETER_PROBLEM_6 && code === UNKNOWN_NEXT_HEADER
  if (hasNoSctp) return { reason: 'refused', detail: `${source} reports that it has no SCTP.` }
  if (type !== UNREACHABLE[family]) return null
  const port = family === 'ipv4' ? 3 : 4
  if (code === port)
    return { reason: 'refused', detail: `${source} reports that the port is unreachable.` }
  // RFC 1191: fragmentation needed. An INIT of 32 octets fits everywhere.
  if (family === 'ipv4' && code === 4) return null
  return { reason: 'unreachable', detail: `${source} reports that the host is unreachable.` }
}
