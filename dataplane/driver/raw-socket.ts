/**
 * The worker's half of the raw-socket driver: IPv4 packets come from and go to the sockets that the
 * main thread holds (server/host/raw-socket.ts), through two queues in shared memory.
 *
 * What a raw socket sees of TCP over a link with offloads (measured on veth: every packet) is what
 * the kernel has, not what a wire would carry: several segments merged into one datagram, and a
 * checksum field with the pseudo-header's sum alone. Nothing with the packet says so, so both are
 * recognised here and described in the virtio_net_hdr as the packet ring's kernel would have done:
 *  - a field equal to the pseudo-header's sum is taken as partial. Should a complete checksum
 *    happen to have that value, completing it again gives the same;
 *  - a TCP datagram above the MTU was merged. Its segment size is lost: it is cut to what the
 *    smaller of the connection's ends announced as its MSS, seen in its SYNs, at most the MTU.
 * Datagrams come reassembled, so fragments are never seen.
 */
import { Counter } from '../counters.js'
import { DATAGRAM_MAX } from '../limits.js'
import { Packet } from '../packet.js'
import type { WorkerConfig } from '../protocol.js'
import { PacketQueue } from '../shared/packet-queue.js'
import { DescriptorLedger } from '../sys/descriptors.js'
import { ENODEV, SystemError } from '../sys/errno.js'
import { interfaceProperties } from '../sys/interface.js'
import * as libc from '../sys/libc.js'
import * as checksum from '../wire/checksum.js'
import { TCP, UDP } from '../wire/ip-protocol.js'
import * as ipv4 from '../wire/ipv4.js'
import * as tcp from '../wire/tcp.js'
import * as udp from '../wire/udp.js'
import * as virtioNet from '../wire/virtio-net.js'
import type { Driver, Port } from './driver.js'
import { SegmentSizes } from './segment-sizes.js'

/** Room for tunnel headers and the virtio_net_hdr before the frame, as in the packet ring. */
const L2 = 138
const L3 = L2 + 14
const ETHERTYPE_IPV4 = 0x0800
const LARGE_OCTETS = L3 + DATAGRAM_MAX
const SMALL_OCTETS = L2 + 2048
/** Received in one turn, whole datagrams each. */
const RECEIVED_MAX = 64
const LARGE_MADE = 16
const SMALL_MADE = 256

interface RawPort extends Port {
  ifIndex: number
  macHigh: number
  macLow: number
}

export class RawSocketDriver implements Driver {
  readonly name = 'raw-socket'
  readonly ethernet = false
  readonly host = null
  readonly ports: readonly RawPort[]
  readonly descriptors: readonly number[]

  readonly #counters: Float64Array
  readonly #ledger: DescriptorLedger
  readonly #toWorker: PacketQueue
  readonly #fromWorker: PacketQueue
  readonly #received = buffers(RECEIVED_MAX, LARGE_OCTETS)
  readonly #small = buffers(SMALL_MADE, SMALL_OCTETS)
  readonly #large = buffers(LARGE_MADE, LARGE_OCTETS)
  readonly #sizes = new SegmentSizes()
  readonly #signal = new Uint8Array(8)
  #smallTaken = 0
  #largeTaken = 0
  /** Made packets that have been copied to the queue: when all have, their memory is free. */
  #madeSent = 0
  #pushed = false
  #lossesSeen: number

  constructor(
    { packetQueues, interfaces }: Pick<WorkerConfig, 'packetQueues' | 'interfaces'>,
    counters: Float64Array,
    ledger: DescriptorLedger = new DescriptorLedger(),
  ) {
    if (packetQueues === undefined) throw new Error('raw-socket: the main thread opened no queues')
    this.#counters = counters
    this.#ledger = ledger
    this.#toWorker = new PacketQueue(packetQueues.toWorker)
    this.#fromWorker = new PacketQueue(packetQueues.fromWorker)
    this.#lossesSeen = this.#toWorker.dropped
    // Owned by the main thread: it must stay what it is while no worker lives.
    this.descriptors = [this.#toWorker.descriptor]
    this.ports = interfaces.map((name, index) => {
      const port = {
        index,
        name,
        ifIndex: 0,
        macHigh: 0,
        macLow: 0,
        mtuOctets: 0,
        segments: false,
        sums: false,
      }
      if (this.#adopt(port) === null) throw new SystemError(`interface ${name}`, ENODEV)
      return port
    })
  }

  receive(burst: Packet[], max: number): number {
    const limit = Math.min(max, RECEIVED_MAX)
    let n = 0
    while (n < limit) {
      const pkt = this.#received[n]!
      const octets = this.#toWorker.shift(pkt.bytes, L3)
      if (octets === 0) {
        if (n > 0) break
        // Nothing at all: be told of the next one, unless it has just come.
        libc.readBytes(this.descriptors[0]!, this.#signal, 8)
        if (this.#toWorker.goIdle()) break
        continue
      }
      if (octets < 0) continue
      this.#describe(pkt, octets)
      burst[n++] = pkt
    }
    return n
  }

  take(octets: number): Packet | null {
    if (this.#madeSent === this.#smallTaken + this.#largeTaken) this.#resetMade()
    let pkt: Packet | undefined
    if (octets <= SMALL_OCTETS - L2 && this.#smallTaken < SMALL_MADE)
      pkt = this.#small[this.#smallTaken++]
    else if (octets <= LARGE_OCTETS - L2 && this.#largeTaken < LARGE_MADE)
      pkt = this.#large[this.#largeTaken++]
    if (pkt === undefined) {
      this.#count(Counter.noBuffer)
      return null
    }
    virtioNet.clear(pkt.view, L2 - virtioNet.LENGTH)
    pkt.port = -1
    pkt.l2 = L2
    pkt.l3 = L3
    pkt.end = L2 + octets
    return pkt
  }

  /** No frame can be sent; whoever asks for one has not looked at `ethernet`. */
  send(_portIndex: number, pkt: Packet): void {
    if (pkt.port < 0) this.#madeSent++
    this.#count(Counter.transmitError)
  }

  sendIp(pkt: Packet): void {
    if (pkt.port < 0) this.#madeSent++
    if (this.#fromWorker.push(pkt.bytes, pkt.l3, pkt.end)) this.#pushed = true
    else this.#count(Counter.transmitFull)
  }

  flush(): void {
    this.#resetMade()
    if (!this.#pushed) return
    this.#pushed = false
    if (this.#fromWorker.takeIdle()) this.#fromWorker.signal()
  }

  updateCounters(): void {
    const dropped = this.#toWorker.dropped
    this.#counters[Counter.ringFull]! += (dropped - this.#lossesSeen) >>> 0
    this.#lossesSeen = dropped
    this.refreshPorts()
  }

  refreshPorts(): boolean {
    for (const port of this.ports) this.#adopt(port)
    return false
  }

  close(): void {
    // Sockets, queues and the descriptor are the main thread's.
  }

  /** Puts what the socket did not tell around the datagram of `octets` at L3. */
  #describe(pkt: Packet, octets: number): void {
    const { view } = pkt
    pkt.l2 = L2
    pkt.l3 = L3
    pkt.end = L3 + octets
    pkt.toHost = true
    // Which interface it came in by is not known; the first one speaks for the host.
    pkt.port = 0
    view.setUint16(L2 + 12, ETHERTYPE_IPV4)
    const offload = L2 - virtioNet.LENGTH
    virtioNet.clear(view, offload)
    if (!ipv4.isValid(view, L3, pkt.end)) return
    const protocol = ipv4.protocol(view, L3)
    const l4 = L3 + ipv4.headerLength(view, L3)
    if (protocol === TCP && pkt.end - l4 >= tcp.MIN_LENGTH) this.#describeTcp(pkt, l4, offload)
    else if (protocol === UDP && pkt.end - l4 >= udp.MIN_LENGTH)
      markPartial(pkt, l4, udp.CHECKSUM_OFFSET, offload)
  }

  #describeTcp(pkt: Packet, l4: number, offload: number): void {
    const { view, end } = pkt
    markPartial(pkt, l4, tcp.CHECKSUM_OFFSET, offload)
    if ((tcp.flags(view, l4) & tcp.SYN) !== 0) this.#sizes.learn(pkt, l4)
    const mtuOctets = this.#mtuOctets()
    if (end - L3 <= mtuOctets) return
    const headers = l4 - L3 + tcp.headerLength(view, l4)
    virtioNet.setGsoType(view, offload, virtioNet.GSO_TCPV4)
    virtioNet.setGsoSize(view, offload, this.#sizes.of(pkt, l4, mtuOctets - headers))
    virtioNet.setHdrLen(view, offload, headers + 14)
    // Segmentation computes every checksum anew, whatever is in the merged one.
    setPartial(pkt, l4, tcp.CHECKSUM_OFFSET, offload)
  }

  /** The smallest MTU of our interfaces: no segment on any of them was larger. */
  #mtuOctets(): number {
    let least = DATAGRAM_MAX
    for (let i = 0; i < this.ports.length; i++) {
      const mtuOctets = this.ports[i]!.mtuOctets
      if (mtuOctets < least) least = mtuOctets
    }
    return least
  }

  #resetMade(): void {
    this.#smallTaken = 0
    this.#largeTaken = 0
    this.#madeSent = 0
  }

  #adopt(port: RawPort): RawPort | null {
    const found = interfaceProperties(this.#ledger, port.name)
    if (found === null) return null
    const v = new DataView(found.mac.buffer, found.mac.byteOffset)
    port.ifIndex = found.ifIndex
    port.macHigh = v.getUint16(0)
    port.macLow = v.getInt32(2)
    port.mtuOctets = found.mtuOctets
    return port
  }

  #count(counter: number): void {
    this.#counters[counter] = this.#counters[counter]! + 1
  }
}

function buffers(count: number, octets: number): Packet[] {
  return Array.from({ length: count }, () => new Packet(new Uint8Array(octets)))
}

/** Marks the transport checksum as partial when its field holds the pseudo-header's sum. */
function markPartial(pkt: Packet, l4: number, field: number, offload: number): void {
  const { view, end } = pkt
  const protocol = ipv4.protocol(view, L3)
  const pseudo = checksum.pseudo4(view, L3, protocol, end - l4)
  if (view.getUint16(l4 + field) === pseudo) setPartial(pkt, l4, field, offload)
}

function setPartial({ view }: Packet, l4: number, field: number, offload: number): void {
  virtioNet.setFlags(view, offload, virtioNet.NEEDS_CSUM)
  virtioNet.setCsumStart(view, offload, l4 - L2)
  virtioNet.setCsumOffset(view, offload, field)
}
