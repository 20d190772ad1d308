/**
 * A driver over captures: frames come from a recording, what is sent goes to a recording. Offline
 * replay runs the whole dataplane on it, without sockets, threads or privileges.
 *
 * One frame is let in at a time (`offer`), so that what follows from it can be told apart from
 * what follows from the next. A frame that a real port would not have passed on is counted and
 * refused for the same reason as there.
 */
import { Counter } from '../counters.js'
import { Packet } from '../packet.js'
import * as checksum from '../wire/checksum.js'
import { describeCaptured } from './captured-offload.js'
import type { Driver, Port } from './driver.js'
import { ETHERNET_OCTETS, FRAME_MAX, L2, L3, VNET_OCTETS, bufferOctets } from './frame-layout.js'
import { SegmentSizes } from './segment-sizes.js'

export interface CapturedFrame {
  /** Index of the port it came in by. */
  port: number
  /** From its Ethernet header on, without VLAN tag. */
  frame: Uint8Array
  /** Whether the link layer addressed it to this host. */
  toHost: boolean
  /** Whether it carried the tag of a VLAN, so belongs to another interface. */
  tagged: boolean
}

/** Where sent packets go. The octets are the receiver's to keep. */
export interface CaptureSink {
  /** A frame that left by a port, its transport checksum complete. */
  frame(port: number, frame: Uint8Array): void
  /** An IP packet handed to the host's kernel, which delivers or routes it. */
  host(ip: Uint8Array): void
}

const SMALL_OCTETS = 2048
const SMALL_COUNT = 512
const LARGE_COUNT = 64

export class PcapDriver implements Driver {
  readonly name = 'pcap'
  readonly ethernet = true
  readonly host = null
  readonly ports: readonly Port[]
  readonly descriptors: readonly number[] = []

  readonly #counters: Float64Array
  readonly #sink: CaptureSink
  readonly #sizes = new SegmentSizes()
  readonly #received = buffer(FRAME_MAX)
  readonly #small: Packet[] = []
  readonly #large: Packet[] = []
  #smallTaken = 0
  #largeTaken = 0
  #offered: CapturedFrame | null = null
  readonly #stagedPorts: number[] = []
  readonly #staged: Packet[] = []

  constructor(ports: readonly Port[], counters: Float64Array, sink: CaptureSink) {
    this.ports = ports
    this.#counters = counters
    this.#sink = sink
  }

  /** The frame that the next `receive` hands over; it is copied then. */
  offer(frame: CapturedFrame): void {
    this.#offered = frame
  }

  receive(burst: Packet[], max: number): number {
    const offered = this.#offered
    if (offered === null || max < 1) return 0
    this.#offered = null
    const reason = refusal(offered)
    if (reason !== 0) {
      this.#count(reason)
      return 0
    }
    const pkt = this.#received
    prepare(pkt, offered.frame.length)
    pkt.bytes.set(offered.frame, L2)
    pkt.port = offered.port
    describeCaptured(pkt, this.ports[offered.port]!.mtuOctets, this.#sizes)
    burst[0] = pkt
    return 1
  }

  take(octets: number): Packet | null {
    let pkt: Packet | undefined
    if (octets <= SMALL_OCTETS && this.#smallTaken < SMALL_COUNT)
      pkt = this.#small[this.#smallTaken++] ??= buffer(SMALL_OCTETS)
    else if (octets <= FRAME_MAX && this.#largeTaken < LARGE_COUNT)
      pkt = this.#large[this.#largeTaken++] ??= buffer(FRAME_MAX)
    if (pkt === undefined) {
      this.#count(Counter.noBuffer)
      return null
    }
    prepare(pkt, octets)
    return pkt
  }

  send(portIndex: number, pkt: Packet): void {
    this.#stagedPorts.push(portIndex)
    this.#staged.push(pkt)
  }

  sendIp(pkt: Packet): void {
    this.#sink.host(pkt.bytes.slice(pkt.l3, pkt.end))
  }

  flush(): void {
    for (let i = 0; i < this.#staged.length; i++) {
      const pkt = this.#staged[i]!
      // What an interface's hardware does.
      checksum.complete(pkt)
      this.#sink.frame(this.#stagedPorts[i]!, pkt.bytes.slice(pkt.l2, pkt.end))
    }
    this.#stagedPorts.length = 0
    this.#staged.length = 0
    this.#smallTaken = 0
    this.#largeTaken = 0
  }

  updateCounters(): void {
    // A recording loses nothing on its way here.
  }

  refreshPorts(): boolean {
    return false
  }

  close(): void {
    this.#offered = null
    this.flush()
  }

  #count(counter: number): void {
    this.#counters[counter] = this.#counters[counter]! + 1
  }
}

/** Why a port would not have handed the frame over, or 0 (the order is the packet ring's). */
function refusal({ frame, toHost, tagged }: CapturedFrame): number {
  if (!toHost) return Counter.notForUs
  if (tagged) return Counter.vlan
  return frame.length < ETHERNET_OCTETS || frame.length > FRAME_MAX ? Counter.truncated : 0
}

function prepare(pkt: Packet, octets: number): void {
  pkt.bytes.fill(0, L2 - VNET_OCTETS, L2)
  pkt.port = -1
  pkt.toHost = true
  pkt.mark = 0
  pkt.pieces = null
  pkt.l2 = L2
  pkt.l3 = L3
  pkt.end = L2 + octets
}

const buffer = (frameOctets: number): Packet =>
  new Packet(new Uint8Array(bufferOctets(frameOctets)))
