/**
 * Raw sockets of probes: one a family and protocol, opened with the first packet. npm raw-socket
 * runs on the main thread only, so this does.
 */
import type { FamilyName } from '../../dataplane/protocol.js'
import { openRawSocket, type RawHandle } from '../host/raw-library.js'
import { addressOctets } from '../ip-address.js'
import { ipPacket } from './ip-packet.js'

/** An IPPROTO_RAW socket sends whole packets (raw(7)), which is how a source is chosen. */
const PROTOCOL_RAW = 255
const ICMP: Readonly<Record<FamilyName, number>> = { ipv4: 1, ipv6: 58 }
const SOL_RAW = 255
const ICMP_FILTER = 1
const SOL_ICMPV6 = 58
const ICMP6_FILTER = 1
const MESSAGE_OCTETS_MAX = 65_535
/** Packets taken in one turn of the event loop. */
const TURN_MAX = 64

export type TakeMessage = (
  family: FamilyName,
  protocol: number,
  octets: Buffer,
  source: string,
) => void

export interface ProbeSocketsOptions {
  /** ICMP messages of other types are left out by the kernel. */
  icmpTypes: Readonly<Record<FamilyName, readonly number[]>>
  /** Called with each message: over IPv4 with its IP header, over IPv6 without. */
  take: TakeMessage
  open?: typeof openRawSocket | undefined
}

export interface OutgoingMessage {
  family: FamilyName
  protocol: number
  to: string
  /** Null leaves it to the host. */
  source: string | null
  octets: Buffer
}

export class ProbeSockets {
  readonly #sockets = new Map<string, RawHandle>()
  readonly #buffer = Buffer.alloc(MESSAGE_OCTETS_MAX)
  readonly #options: ProbeSocketsOptions

  constructor(options: ProbeSocketsOptions) {
    this.#options = options
  }

  /** Opens a socket unless it is open, so that answers are not missed. Throws what the host says. */
  listen(family: FamilyName, protocol: number): RawHandle {
    const key = `${family} ${protocol}`
    const known = this.#sockets.get(key)
    if (known !== undefined) return known
    const { open = openRawSocket, icmpTypes } = this.#options
    const socket = open(protocol, family)
    this.#sockets.set(key, socket)
    // An error of one packet is none of the others' business.
    socket.on('error', ignore)
    if (protocol === PROTOCOL_RAW) return socket
    if (protocol === ICMP[family]) filter(socket, family, icmpTypes[family])
    socket.on('recvReady', () => this.#receive(socket, family, protocol))
    return socket
  }

  /** Throws what the host says. */
  send({ family, protocol, to, source, octets }: OutgoingMessage): void {
    const receiving = this.listen(family, protocol)
    if (source === null) return receiving.send(octets, 0, octets.length, to, ignore)
    const packet = ipPacket(protocol, octets, addressOctets(source), addressOctets(to))
    this.listen(family, PROTOCOL_RAW).send(packet, 0, packet.length, to, ignore)
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.close()
    this.#sockets.clear()
  }

  #receive(socket: RawHandle, family: FamilyName, protocol: number): void {
    try {
      for (let i = 0; i < TURN_MAX; i++)
        socket.recv(this.#buffer, (buffer, octets, source) =>
          this.#options.take(family, protocol, buffer.subarray(0, octets), source),
        )
    } catch {
      // Empty, or one packet that cannot be had.
    }
  }
}

/** Lets the kernel leave out everything else: a mask of types that are not wanted. */
function filter(socket: RawHandle, family: FamilyName, wanted: readonly number[]): void {
  const words = new Uint32Array(family === 'ipv4' ? 1 : 8).fill(0xffffffff)
  for (const type of wanted) words[type >>> 5] = words[type >>> 5]! & ~(1 << (type & 31))
  const octets = Buffer.from(words.buffer)
  if (family === 'ipv4') socket.setOption(SOL_RAW, ICMP_FILTER, octets, octets.length)
  else socket.setOption(SOL_ICMPV6, ICMP6_FILTER, octets, octets.length)
}

const ignore = () => undefined
