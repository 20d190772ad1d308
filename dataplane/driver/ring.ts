import { Counter } from '../counters.js'
import { Packet } from '../packet.js'
import { BURST_MAX } from '../limits.js'
import * as libc from '../sys/libc.js'
import type { DescriptorLedger } from '../sys/descriptors.js'
import { Mapping } from '../sys/mapping.js'
import { SOL_PACKET } from './packet-options.js'
import { ETHERNET_OCTETS, FRAME_MAX, L2, bufferOctets } from './frame-layout.js'
import type { LargeFrames } from './large-frames.js'

const PACKET_RX_RING = 5
const TPACKET_ALIGN = 16

/** Slots of one port: at 500,000 frames a second a pause of 16 ms loses none. */
const SLOTS = 8192
const BLOCK = 1 << 20

// struct tpacket2_hdr in 32-bit words: status, length, captured, mac offset | net offset, ...
const LENGTH = 1
const CAPTURED = 2
// ... and in octets from the slot's start: VLAN tag, and sll_pkttype of the sockaddr_ll behind it.
const VLAN_TCI = 24
const PACKET_TYPE = 42
const PACKET_HOST = 0

const STATUS_USER = 0x01
const STATUS_COPY = 0x02
const STATUS_VLAN_VALID = 0x10

const ETHERTYPE_IPV4 = 0x0800
const ETHERTYPE_IPV6 = 0x86dd

/**
 * Plain reads and writes of `tp_status` where the machine keeps loads in order and stores behind
 * earlier loads (x86 TSO): Atomics are builtin calls in this V8, 10 % of a small-packet flood.
 * The kernel's write of the status is its last to the slot (after smp_wmb), the JIT does not move
 * a typed-array load over another access, and giving back follows a system call. On other
 * machines (ARM) a load of the slot could overtake that of its status, so Atomics order them.
 */
const PLAIN = process.arch === 'x64'

/** The receive ring of one packet socket (TPACKET_V2, Documentation/networking/packet_mmap.rst). */
export class Ring {
  readonly #descriptor: number
  readonly #port: number
  readonly #counters: Float64Array
  readonly #large: LargeFrames
  readonly #mapping: Mapping
  readonly #words: Uint32Array
  readonly #packets: Packet[] = []
  /** Index into `#words` of each slot's status. */
  readonly #slots: Int32Array
  #next = 0
  #held = 0

  /** Sets the ring up on a socket that is not bound yet. Throws SystemError. */
  constructor(
    ledger: DescriptorLedger,
    options: {
      /** The socket that the ring is made on. */
      fd: number
      /** The number under which it will be known when frames are read from its queue. */
      descriptor: number
      port: number
      mtuOctets: number
      slots?: number
      slotOctets?: number
    },
    counters: Float64Array,
    large: LargeFrames,
  ) {
    this.#descriptor = options.descriptor
    this.#port = options.port
    this.#counters = counters
    this.#large = large
    const slot = options.slotOctets ?? bufferOctets(ETHERNET_OCTETS + options.mtuOctets)
    if (slot % TPACKET_ALIGN !== 0) throw new RangeError('slots are aligned to 16 octets')
    const perBlock = Math.floor(BLOCK / slot)
    const blocks = Math.ceil((options.slots ?? SLOTS) / perBlock)
    const count = perBlock * blocks
    // struct tpacket_req: block size, block count, frame size, frame count
    const request = new Int32Array([BLOCK, blocks, slot, count])
    libc.must(
      'setsockopt PACKET_RX_RING',
      libc.setsockopt(options.fd, SOL_PACKET, PACKET_RX_RING, request, 16),
    )
    this.#mapping = new Mapping(ledger, BLOCK * blocks, options.fd)
    this.#words = new Uint32Array(this.#mapping.buffer)
    this.#slots = new Int32Array(count)
    for (let i = 0; i < count; i++) {
      // Slots never cross a block; what is left of a block stays unused.
      const at = Math.floor(i / perBlock) * BLOCK + (i % perBlock) * slot
      this.#slots[i] = at >>> 2
      const bytes = new Uint8Array(this.#mapping.buffer, at, slot)
      const pkt = new Packet(bytes, this.#mapping.address + at)
      pkt.port = options.port
      this.#packets.push(pkt)
    }
  }

  get slots(): number {
    return this.#slots.length
  }

  /**
   * Puts up to `limit - n` packets into `burst` from index `n` on and returns the new n. Slots are
   * held until `giveBack`. Returns -1 - n, having dropped this call's packets, when ring and
   * socket queue went out of step: the socket must be opened anew.
   */
  receive(burst: Packet[], n: number, limit: number): number {
    const words = this.#words
    const slots = this.#slots
    const first = n
    let copies = 0
    let i = this.#next
    // Slots that hold nothing for us count against the limit too, so that a turn stays bounded.
    for (let looked = this.#held; n < limit && looked < slots.length; looked++) {
      const at = slots[i]!
      const status = PLAIN ? words[at]! : Atomics.load(words, at)
      if ((status & STATUS_USER) === 0) break
      const pkt = this.#packets[i]!
      const octets = words[at + LENGTH]!
      if ((status & STATUS_COPY) !== 0) {
        const large = this.#large.take(octets)
        if (large === null) break
        copies++
        if (this.#accept(pkt, status, octets, Math.min(octets, FRAME_MAX)))
          burst[n++] = this.#adopt(large)
      } else if (this.#accept(pkt, status, octets, words[at + CAPTURED]!)) {
        pkt.l2 = L2
        pkt.l3 = L2 + ETHERNET_OCTETS
        pkt.end = L2 + octets
        burst[n++] = pkt
      }
      this.#held++
      if (++i === slots.length) i = 0
      if (this.#held >= BURST_MAX * 4) break
    }
    this.#next = i
    if (copies === 0 || this.#large.fill(this.#descriptor)) return n
    this.#counters[Counter.truncated] = this.#counters[Counter.truncated]! + (n - first)
    return -1 - first
  }

  #adopt(large: Packet): Packet {
    large.port = this.#port
    large.toHost = true
    return large
  }

  /** Whether the frame in this slot is for the engine; what is not is counted (or is not IP). */
  #accept(pkt: Packet, status: number, octets: number, captured: number): boolean {
    const { view } = pkt
    const etherType = view.getUint16(L2 + 12)
    if (etherType !== ETHERTYPE_IPV4 && etherType !== ETHERTYPE_IPV6) return false
    let reason: number
    if (view.getUint8(PACKET_TYPE) !== PACKET_HOST) reason = Counter.notForUs
    else if (
      (status & STATUS_VLAN_VALID) !== 0 &&
      (view.getUint16(VLAN_TCI, libc.HOST_ORDER) & 0x0fff) !== 0
    )
      reason = Counter.vlan
    else if (captured < octets || octets < ETHERNET_OCTETS) reason = Counter.truncated
    else return true
    this.#counters[reason] = this.#counters[reason]! + 1
    return false
  }

  /** Returns every slot handed out to the kernel. */
  giveBack(): void {
    const words = this.#words
    const slots = this.#slots
    let i = this.#next - this.#held
    if (i < 0) i += slots.length
    for (let left = this.#held; left > 0; left--) {
      if (PLAIN) words[slots[i]!] = 0
      else Atomics.store(words, slots[i]!, 0)
      if (++i === slots.length) i = 0
    }
    this.#held = 0
  }

  close(): void {
    this.#held = 0
    this.#packets.length = 0
    this.#mapping.close()
  }
}
