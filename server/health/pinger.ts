/**
 * Echo requests of all ICMP checks: one raw socket a family, opened with the first check, answers
 * told apart by identifier and sequence number. An answer counts only from the address that was
 * asked and with the octets that were sent, half of which nobody can guess. npm raw-socket runs on
 * the main thread only, so this does; probes in other threads ask it by message.
 */
import { randomBytes, randomInt } from 'node:crypto'
import type { FamilyName } from '../../dataplane/protocol.js'
import type { openRawSocket } from '../host/raw-library.js'
import { addressOctets, parseAddress } from '../ip-address.js'
import { echoRequest, PROTOCOLS, readEcho, setIcmpv6Checksum, TYPES } from './icmp-echo.js'
import { ProbeSockets, type TakeMessage } from './probe-sockets.js'
import type { FailureReason } from './run-result.js'

/** Null is an answer. */
export type PingFailure = { reason: FailureReason; detail: string } | null

export interface PingOrder {
  address: string
  sourceAddress: string | null
  payloadOctets: number
}

export interface Pinger {
  /** `done` is called at most once. Returns what stops waiting. */
  ping(order: PingOrder, done: (failure: PingFailure) => void): () => void
}

interface Waiting {
  address: string
  payload: Buffer
  done: (failure: PingFailure) => void
}

/** Octets of each payload that cannot be guessed. */
const TOKEN_OCTETS = 8
const ICMP_TYPES = {
  ipv4: [TYPES.ipv4.reply, TYPES.ipv4.unreachable, TYPES.ipv4.timeExceeded],
  ipv6: [TYPES.ipv6.reply, TYPES.ipv6.unreachable, TYPES.ipv6.timeExceeded],
}

export class RawPinger implements Pinger {
  readonly #sockets: ProbeSockets
  readonly #waiting: Record<FamilyName, Map<number, Waiting>> = { ipv4: new Map(), ipv6: new Map() }
  readonly #identifier = randomInt(0x10000)
  #sequence = randomInt(0x10000)

  constructor(open?: typeof openRawSocket) {
    const take: TakeMessage = (family, _protocol, octets, source) =>
      this.#take(family, octets, source)
    this.#sockets = new ProbeSockets({ icmpTypes: ICMP_TYPES, take, open })
  }

  ping(order: PingOrder, done: (failure: PingFailure) => void): () => void {
    const { family, text } = parseAddress(order.address)!
    const waiting = this.#waiting[family]
    const sequence = this.#free(waiting)
    if (sequence === null) {
      done({ reason: 'internal', detail: 'There are too many echo requests under way.' })
      return () => undefined
    }
    const payload = Buffer.alloc(Math.max(order.payloadOctets, TOKEN_OCTETS), 'sluice ')
    randomBytes(TOKEN_OCTETS).copy(payload)
    waiting.set(sequence, { address: text, payload, done })
    try {
      this.#send(family, text, order.sourceAddress, sequence, payload)
    } catch (error) {
      waiting.delete(sequence)
      done(sendingFault('ICMP echo', (error as Error).message))
    }
    return () => waiting.delete(sequence)
  }

  close(): void {
    this.#sockets.close()
  }

  /** A number that nobody waits for, or null. */
  #free(waiting: ReadonlyMap<number, Waiting>): number | null {
    if (waiting.size >= 0x8000) return null
    do this.#sequence = (this.#sequence + 1) & 0xffff
    while (waiting.has(this.#sequence))
    return this.#sequence
  }

  #send(
    family: FamilyName,
    address: string,
    source: string | null,
    sequence: number,
    payload: Buffer,
  ): void {
    const octets = echoRequest(family, this.#identifier, sequence, payload)
    if (family === 'ipv6' && source !== null)
      setIcmpv6Checksum(octets, addressOctets(source), addressOctets(address))
    this.#sockets.send({ family, protocol: PROTOCOLS[family], to: address, source, octets })
  }

  #take(family: FamilyName, octets: Buffer, source: string): void {
    const echo = readEcho(family, octets)
    if (echo === null || echo.identifier !== this.#identifier) return
    const waiting = this.#waiting[family]
    const asked = waiting.get(echo.sequence)
    if (asked === undefined) return
    if (echo.kind === 'reply') {
      const isFromThere = parseAddress(source)?.text === asked.address
      if (!isFromThere || !echo.payload.equals(asked.payload)) return
    } else if (
      !asked.payload
        .subarray(0, echo.payload.length)
        .equals(echo.payload.subarray(0, asked.payload.length))
    )
      return
    waiting.delete(echo.sequence)
    if (echo.kind === 'reply') return asked.done(null)
    const what = echo.kind === 'unreachable' ? 'that the host is unreachable' : 'a routing loop'
    asked.done({ reason: 'unreachable', detail: `${source} reports ${what}.` })
  }
}

/** What the host says when a packet cannot be sent. `what` begins a sentence: `ICMP echo`. */
export function sendingFault(what: string, message: string): NonNullable<PingFailure> {
  // As the kernel says ENETUNREACH and EHOSTUNREACH.
  if (/unreachable|no route/i.test(message))
    return { reason: 'unreachable', detail: 'There is no route to the target.' }
  const detail = /not permitted/i.test(message)
    ? `${what} needs CAP_NET_RAW.`
    : `${what} cannot be sent: ${message}.`
  return { reason: 'internal', detail }
}
