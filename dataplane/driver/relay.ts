/**
 * A driver where several workers share the interfaces: it also receives what the others hand over,
 * and hands over to them, through one queue in shared memory from each worker to each other.
 *
 *     | stage | port | pieces: DF, size, largest, count, last | virtio_net_hdr | frame |
 *
 * The first twelve octets are written into the headroom before the packet, so that one copy does.
 * A packet that was put together from fragments says what they were like (`Packet.pieces`), their
 * sizes as those of equal ones: all but the last normally are.
 */
import { Counter } from '../counters.js'
import type { Packet } from '../packet.js'
import type { CrewConfig } from '../protocol.js'
import { ASLEEP, MESSAGES, WAKE } from '../shared/memory.js'
import { PacketQueue } from '../shared/packet-queue.js'
import type { Driver, HostTap, Port, Via } from './driver.js'

const HEADER_OCTETS = 12
const VNET_OCTETS = 10
/** Taken from the others in one turn: small packets and, as memory for them is short, large ones. */
const TAKEN_MAX = 64
const LARGE_MAX = 8
const LARGE_OCTETS = 2048

export interface RelayOptions {
  inner: Driver
  crew: CrewConfig
  counters: Float64Array
  /** Writes to an eventfd. */
  wake: (descriptor: number) => void
}

export class Relay implements Driver {
  readonly name: Driver['name']
  readonly ethernet: boolean
  readonly ports: readonly Port[]
  readonly host: HostTap | null
  readonly #inner: Driver
  readonly #counters: Float64Array
  readonly #wake: (descriptor: number) => void
  /** By worker; null for this one. */
  readonly #to: (PacketQueue | null)[]
  readonly #from: (PacketQueue | null)[]
  readonly #controls: Int32Array[]
  /** Who was given something in this turn. */
  readonly #given: boolean[]
  /** Whose queue is looked at first. */
  #first = 0

  constructor({ inner, crew, counters, wake }: RelayOptions) {
    this.name = inner.name
    this.ethernet = inner.ethernet
    this.ports = inner.ports
    this.host = inner.host
    this.#inner = inner
    this.#counters = counters
    this.#wake = wake
    const open = (memory: SharedArrayBuffer | null) =>
      memory === null ? null : new PacketQueue(memory)
    this.#to = crew.queues[crew.index]!.map(open)
    this.#from = crew.queues.map(queues => open(queues[crew.index]!))
    this.#controls = crew.memories.map(memory => new Int32Array(memory.control))
    this.#given = crew.memories.map(() => false)
  }

  get descriptors(): readonly number[] {
    return this.#inner.descriptors
  }

  receive(burst: Packet[], max: number): number {
    const n = this.#inner.receive(burst, max - TAKEN_MAX)
    // Memory may have held a packet from another worker before.
    for (let i = 0; i < n; i++) burst[i]!.stage = 0
    const taken = this.#takeOver(burst, n)
    // Counted where it came in.
    this.#counters[Counter.received]! -= taken
    return n + taken
  }

  /** Copies the packet to another worker's queue; a full one is a counted drop. */
  give(pkt: Packet, to: number, stage: number): void {
    const queue = this.#to[to]
    const at = pkt.l2 - VNET_OCTETS - HEADER_OCTETS
    writeHeader(pkt, at, stage)
    if (queue?.push(pkt.bytes, at, pkt.end)) {
      this.#counters[Counter.handedOver]!++
      this.#given[to] = true
    } else this.#counters[Counter.handoverFull]!++
  }

  flush(): void {
    this.#inner.flush()
    for (let i = 0; i < this.#given.length; i++) {
      if (!this.#given[i]) continue
      this.#given[i] = false
      const control = this.#controls[i]!
      // Its loop looks at this word before it sleeps, so either it sees it or it is woken.
      Atomics.add(control, MESSAGES, 1)
      if (Atomics.load(control, ASLEEP) === 1) this.#wake(Atomics.load(control, WAKE))
    }
  }

  take(octets: number): Packet | null {
    return this.#inner.take(octets)
  }
  send(portIndex: number, pkt: Packet): void {
    this.#inner.send(portIndex, pkt)
  }
  sendIp(pkt: Packet, via: Via | null = null): void {
    this.#inner.sendIp(pkt, via)
  }
  updateCounters(): void {
    this.#inner.updateCounters()
  }
  refreshPorts(): boolean {
    return this.#inner.refreshPorts()
  }
  close(): void {
    this.#inner.close()
  }

  #takeOver(burst: Packet[], n: number): number {
    const from = this.#from
    let taken = 0
    let large = 0
    let at = this.#first
    for (let i = 0; i < from.length; i++) {
      const queue = from[at] ?? null
      if (++at === from.length) at = 0
      while (queue !== null && taken < TAKEN_MAX) {
        const octets = queue.nextOctets
        if (octets === 0) break
        if (octets > LARGE_OCTETS && ++large > LARGE_MAX) break
        // Without memory for it, it waits for the next turn.
        const pkt = this.#inner.take(octets - HEADER_OCTETS - VNET_OCTETS)
        if (pkt === null) break
        const start = pkt.l2 - VNET_OCTETS - HEADER_OCTETS
        queue.shift(pkt.bytes, start)
        readHeader(pkt, start)
        burst[n + taken++] = pkt
      }
    }
    this.#first = at + 1 >= from.length ? 0 : at + 1
    return taken
  }
}

function writeHeader({ view, port, pieces }: Packet, at: number, stage: number): void {
  view.setUint8(at, stage)
  view.setUint8(at + 1, port)
  const sizes = pieces?.sizes ?? null
  const size = sizes?.[0] ?? 0
  let total = 0
  if (sizes !== null) for (let i = 0; i < sizes.length; i++) total += sizes[i]!
  const count = size === 0 ? 0 : Math.ceil(total / size)
  view.setUint16(at + 2, pieces?.dontFragment ? 1 : 0)
  view.setUint16(at + 4, size)
  view.setUint16(at + 6, pieces?.largestOctets ?? 0)
  view.setUint16(at + 8, count)
  view.setUint16(at + 10, count === 0 ? 0 : total - (count - 1) * size)
}

function readHeader(pkt: Packet, at: number): void {
  const { view } = pkt
  pkt.stage = view.getUint8(at)
  pkt.port = view.getUint8(at + 1)
  pkt.toHost = true
  pkt.mark = 0
  const count = view.getUint16(at + 8)
  // One object for each datagram that came in fragments to the wrong worker: rare enough.
  pkt.pieces = count === 0 ? null : readPieces(view, at, count)
}

function readPieces(view: DataView, at: number, count: number): NonNullable<Packet['pieces']> {
  const sizes = new Array<number>(count).fill(view.getUint16(at + 4))
  sizes[count - 1] = view.getUint16(at + 10)
  return {
    sizes,
    largestOctets: view.getUint16(at + 6),
    dontFragment: view.getUint16(at + 2) === 1,
  }
}
