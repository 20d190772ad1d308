/**
 * A driver in memory, for tests and replay: frames are put in by hand and what is sent is kept.
 *
 * It is strict where real drivers are merely unforgiving: all memory is poisoned before a frame is
 * put in and after each flush, so that reading stale octets or a packet of the last turn shows, and
 * sending a packet twice, or one that this driver did not hand out in this turn, throws.
 */
import { Counter } from '../counters.js'
import { Packet } from '../packet.js'
import type { Driver, HostTap, Port } from './driver.js'
import { ETHERNET_OCTETS, FRAME_MAX, L2, L3, VNET_OCTETS, bufferOctets } from './frame-layout.js'

export const POISON = 0xa5

export interface LoopbackPort {
  name: string
  ifIndex: number
  /** Six octets. */
  mac: Uint8Array
  mtuOctets: number
  /** True when absent. */
  segments?: boolean
  sums?: boolean
  tunnels?: boolean
}

export interface SentFrame {
  port: number
  frame: Uint8Array
  /** The ten octets of the virtio_net_hdr. */
  vnet: Uint8Array
}

interface Injected {
  port: number
  frame: Uint8Array
  vnet: Uint8Array | null
  toHost: boolean
}

const BUFFERS = 512
const SMALL_OCTETS = 2048
const LARGE_BUFFERS = 48

export class LoopbackDriver implements Driver {
  readonly name = 'loopback'
  readonly ethernet = true
  readonly ports: readonly Port[]
  readonly descriptors: readonly number[] = []
  readonly host: HostTap
  /** All that was sent by `flush`, in order; tests empty it as they like. */
  readonly sent: SentFrame[] = []
  /** All that was handed to the kernel, as IP packets. */
  readonly sentIp: Uint8Array[] = []

  readonly #counters: Float64Array | null
  readonly #small: Packet[]
  readonly #large: Packet[]
  #smallTaken = 0
  #largeTaken = 0
  readonly #live = new Set<Packet>()
  readonly #waiting: Injected[] = []
  readonly #ofHost: { ip: Uint8Array; diverted: boolean }[] = []
  readonly #staged: (() => void)[] = []

  constructor(ports: readonly LoopbackPort[], counters: Float64Array | null = null) {
    this.#counters = counters
    this.ports = ports.map(({ mac, tunnels = false, ...port }, index) => {
      const v = new DataView(mac.buffer, mac.byteOffset, mac.byteLength)
      return {
        segments: true,
        sums: false,
        openTunnels: () => tunnels,
        ...port,
        index,
        macHigh: v.getUint16(0),
        macLow: v.getInt32(2),
      }
    })
    this.#small = buffers(BUFFERS, SMALL_OCTETS)
    this.#large = buffers(LARGE_BUFFERS, FRAME_MAX)
    this.host = {
      watch: () => false,
      receive: (burst, max, diverted) => this.#receiveOfHost(burst, max, diverted),
    }
  }

  /** An IP packet that the host itself sends, for the next turn. It is copied. */
  injectOfHost(ip: Uint8Array, diverted: boolean): void {
    this.#ofHost.push({ ip: ip.slice(), diverted })
  }

  #receiveOfHost(burst: Packet[], max: number, diverted: boolean): number {
    let n = 0
    while (n < max && this.#ofHost[0]?.diverted === diverted) {
      const { ip } = this.#ofHost[0]
      const pkt = this.#next(ETHERNET_OCTETS + ip.length)
      if (pkt === null) break
      this.#ofHost.shift()
      pkt.bytes.set(ip, L3)
      burst[n++] = pkt
    }
    return n
  }

  /** A frame, from its Ethernet header on, that the next `receive` hands over. It is copied. */
  inject(
    portIndex: number,
    frame: Uint8Array,
    options: { vnet?: Uint8Array; toHost?: boolean } = {},
  ): void {
    if (this.ports[portIndex] === undefined) throw new RangeError(`no port ${portIndex}`)
    if (frame.length < ETHERNET_OCTETS || frame.length > FRAME_MAX)
      throw new RangeError(`a frame of ${frame.length} octets`)
    this.#waiting.push({
      port: portIndex,
      frame: frame.slice(),
      vnet: options.vnet?.slice(0, VNET_OCTETS) ?? null,
      toHost: options.toHost ?? true,
    })
  }

  /** Frames that `receive` has not handed over yet. */
  get waiting(): number {
    return this.#waiting.length
  }

  receive(burst: Packet[], max: number): number {
    let n = 0
    while (n < max && this.#waiting.length > 0) {
      const { port, frame, vnet, toHost } = this.#waiting[0]!
      const pkt = this.#next(frame.length)
      if (pkt === null) break
      this.#waiting.shift()
      pkt.bytes.set(frame, L2)
      if (vnet !== null) pkt.bytes.set(vnet, L2 - VNET_OCTETS)
      pkt.port = port
      pkt.toHost = toHost
      burst[n++] = pkt
    }
    return n
  }

  take(octets: number): Packet | null {
    const pkt = this.#next(octets)
    if (pkt !== null) return pkt
    if (this.#counters !== null)
      this.#counters[Counter.noBuffer] = this.#counters[Counter.noBuffer]! + 1
    return null
  }

  send(portIndex: number, pkt: Packet): void {
    if (this.ports[portIndex] === undefined) throw new RangeError(`no port ${portIndex}`)
    this.#surrender(pkt)
    const { l2, end } = pkt
    if (l2 < VNET_OCTETS || end < l2 + ETHERNET_OCTETS || end > pkt.bytes.length)
      throw new RangeError(`cannot send [${l2}, ${end})`)
    // Read at flush: a packet that is changed after it was sent leaves changed, as in the ring.
    this.#staged.push(() => {
      const vnet = pkt.bytes.slice(l2 - VNET_OCTETS, l2)
      this.sent.push({ port: portIndex, frame: pkt.bytes.slice(l2, end), vnet })
    })
  }

  sendIp(pkt: Packet): void {
    this.#surrender(pkt)
    if (pkt.end <= pkt.l3 || pkt.end > pkt.bytes.length)
      throw new RangeError(`cannot send [${pkt.l3}, ${pkt.end})`)
    this.sentIp.push(pkt.bytes.slice(pkt.l3, pkt.end))
  }

  flush(): void {
    for (const put of this.#staged) put()
    this.#staged.length = 0
    this.#live.clear()
    for (let i = 0; i < this.#smallTaken; i++) this.#small[i]!.bytes.fill(POISON)
    for (let i = 0; i < this.#largeTaken; i++) this.#large[i]!.bytes.fill(POISON)
    this.#smallTaken = 0
    this.#largeTaken = 0
  }

  updateCounters(): void {
    // Nothing is lost before it arrives here.
  }

  refreshPorts(): boolean {
    return false
  }

  close(): void {
    this.flush()
    this.#waiting.length = 0
  }

  /** A poisoned buffer with a zeroed virtio_net_hdr; null when all are in use. */
  #next(octets: number): Packet | null {
    let pkt: Packet | undefined
    if (octets <= SMALL_OCTETS && this.#smallTaken < BUFFERS) pkt = this.#small[this.#smallTaken++]
    else if (octets <= FRAME_MAX && this.#largeTaken < LARGE_BUFFERS)
      pkt = this.#large[this.#largeTaken++]
    if (pkt === undefined) return null
    pkt.bytes.fill(POISON)
    pkt.bytes.fill(0, L2 - VNET_OCTETS, L2)
    pkt.port = -1
    pkt.toHost = true
    pkt.l2 = L2
    pkt.l3 = L3
    pkt.end = L2 + octets
    this.#live.add(pkt)
    return pkt
  }

  #surrender(pkt: Packet): void {
    if (!this.#live.delete(pkt)) throw new Error('sent twice, or not of this turn')
  }
}

function buffers(count: number, frameOctets: number): Packet[] {
  return Array.from(
    { length: count },
    () => new Packet(new Uint8Array(bufferOctets(frameOctets)).fill(POISON)),
  )
}
