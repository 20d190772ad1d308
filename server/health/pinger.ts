/**
 * Echo requests of all ICMP checks: one raw socket a family, opened with the first check, answers
 * told apart by identifier and sequence number. An answer counts only from the address that was
 * asked and with the octets that were sent, half of which nobody can guess. npm raw-socket runs on
 * the main thread only, so this does; probes in other threads ask it by message.
 */
import { randomBytes, randomInt } from 'node:crypto'
import type { FamilyName } from '../../dataplane/protocol.js'
import { openRawSocket, type RawHandle } from '../host/raw-library.js'
import { addressOctets, parseAddress } from '../ip-address.js'
import { echoPacket, echoRequest, PROTOCOLS, readEcho, TYPES } from './icmp-echo.js'
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

/** An IPPROTO_RAW socket sends whole packets (raw(7)), which is how a source is chosen. */
const PROTOCOL_RAW = 255
const SOL_RAW = 255
const ICMP_FILTER = 1
const SOL_ICMPV6 = 58
const ICMP6_FILTER = 1
/** Octets of each payload that cannot be guessed. */
const TOKEN_OCTETS = 8
const MESSAGE_OCTETS_MAX = 65_535
/** Packets taken in one turn of the event loop. */
const TURN_MAX = 64

export class RawPinger implements Pinger {
  readonly #sockets = new Map<string, RawHandle>()
  readonly #waiting: Record<FamilyName, Map<number, Waiting>> = { ipv4: new Map(), ipv6: new Map() }
  readonly #buffer = Buffer.alloc(MESSAGE_OCTETS_MAX)
  readonly #identifier = randomInt(0x10000)
  readonly #open: typeof openRawSocket
  #sequence = randomInt(0x10000)

  constructor(open = openRawSocket) {
    this.#open = open
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
      done(faultOf((error as Error).message))
    }
    return () => waiting.delete(sequence)
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.close()
    this.#sockets.clear()
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
    const receiving = this.#socket(family, PROTOCOLS[family])
    const message = echoRequest(family, this.#identifier, sequence, payload)
    if (source === null) return receiving.send(message, 0, message.length, address, ignore)
    const packet = echoPacket(family, message, addressOctets(source), addressOctets(address))
    this.#socket(family, PROTOCOL_RAW).send(packet, 0, packet.length, address, ignore)
  }

  #socket(family: FamilyName, protocol: number): RawHandle {
    const key = `${family} ${protocol}`
    const known = this.#sockets.get(key)
    if (known !== undefined) return known
    const socket = this.#open(protocol, family)
    this.#sockets.set(key, socket)
    // An error of one packet is none of the others' business.
    socket.on('error', ignore)
    if (protocol !== PROTOCOL_RAW) {
      filter(socket, family)
      socket.on('recvReady', () => this.#receive(socket, family))
    }
    return socket
  }

  #receive(socket: RawHandle, family: FamilyName): void {
    try {
      for (let i = 0; i < TURN_MAX; i++)
        socket.recv(this.#buffer, (buffer, octets, source) =>
          this.#take(family, buffer.subarray(0, octets), source),
        )
    } catch {
      // Empty, or one packet that cannot be had.
    }
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

/** Lets the kernel leave out everything but replies and errors: a mask of types that are not wanted. */
function filter(socket: RawHandle, family: FamilyName): void {
  const { reply, unreachable, timeExceeded } = TYPES[family]
  const words = new Uint32Array(family === 'ipv4' ? 1 : 8).fill(0xffffffff)
  for (const type of [reply, unreachable, timeExceeded])
    words[type >>> 5] = words[type >>> 5]! & ~(1 << (type & 31))
  const octets = Buffer.from(words.buffer)
  if (family === 'ipv4') socket.setOption(SOL_RAW, ICMP_FILTER, octets, octets.length)
  else socket.setOption(SOL_ICMPV6, ICMP6_FILTER, octets, octets.length)
}

function faultOf(message: string): NonNullable<PingFailure> {
  if (/unreachable/i.test(message))
    return { reason: 'unreachable', detail: 'There is no route to the target.' }
  const detail = /not permitted/i.test(message)
    ? 'ICMP echo needs CAP_NET_RAW.'
    : `An echo request cannot be sent: ${message}.`
  return { reason: 'internal', detail }
}

const ignore = () => undefined
