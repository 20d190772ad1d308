import type { Packet } from '../packet.js'
import { isTunnel } from '../wire/ip-protocol.js'
import { Counter } from '../counters.js'
import type { DescriptorLedger } from '../sys/descriptors.js'
import { ENODEV, SystemError } from '../sys/errno.js'
import { type InterfaceProperties, interfaceProperties } from '../sys/interface.js'
import * as libc from '../sys/libc.js'
import type { Backoff } from './backoff.js'
import type { Port } from './driver.js'
import type { LargeFrames } from './large-frames.js'
import { bindToInterface, openPacketSocket, takeLosses } from './packet-options.js'
import type { Portion } from './share-filter.js'
import type { Instruction } from './bpf.js'
import { attachFilter } from './socket-filter.js'
import { Ring } from './ring.js'
import { TransmitQueue } from './transmit-queue.js'
import { TunnelEgress } from './tunnel-egress.js'

/** For measurements; the defaults are what the appliance uses. */
export interface RingOptions {
  slots?: number
  slotOctets?: number
  /** Which frames are let in; everything that is for this host when absent. */
  filter?: readonly Instruction[]
  /** Which of the host's own packets; all when absent. */
  share?: Portion
}

interface Shared {
  ledger: DescriptorLedger
  counters: Float64Array
  large: LargeFrames
  backoff: Backoff
  ring: RingOptions
}

/** One interface: a packet socket with its receive ring and its transmit queue. */
export class PacketPort implements Port {
  readonly index: number
  readonly name: string
  /** The same number for the port's whole life, also when its socket is opened anew. */
  readonly descriptor: number
  ifIndex = 0
  macHigh = 0
  macLow = 0
  mtuOctets = 0
  segments = false
  sums = false

  readonly #shared: Shared
  readonly #queue: TransmitQueue
  #ring: Ring
  /** Opened when it is first asked for; null before, and where it cannot be had. */
  #tunnels: TunnelEgress | null = null
  #tunnelsAsked = false
  /** Ring and socket queue disagree: its packets cannot be trusted until it is opened anew. */
  #broken = false

  /** Throws SystemError when there is no such Ethernet interface or it cannot be opened. */
  constructor(index: number, name: string, shared: Shared) {
    this.index = index
    this.name = name
    this.#shared = shared
    const found = interfaceProperties(shared.ledger, name)
    if (found === null) throw new SystemError(`interface ${name}`, ENODEV)
    if (!found.ethernet) throw new Error(`interface ${name} is not Ethernet`)
    this.#adopt(found)
    this.descriptor = openPacketSocket(shared.ledger, shared.ring.filter)
    let ring: Ring | null = null
    try {
      ring = this.#openRing(this.descriptor)
      this.#ring = ring
      bindToInterface(this.descriptor, this.ifIndex)
      this.#queue = new TransmitQueue(
        shared.ledger,
        this.descriptor,
        shared.counters,
        shared.backoff,
      )
    } catch (error) {
      ring?.close()
      shared.ledger.close(this.descriptor)
      throw error
    }
  }

  /** As `Ring.receive`, without the negative case. */
  receive(burst: Packet[], n: number, limit: number): number {
    if (this.#broken) return n
    const next = this.#ring.receive(burst, n, limit)
    if (next >= n) return next
    this.#broken = true
    return n
  }

  openTunnels(): boolean {
    if (!this.#tunnelsAsked) {
      this.#tunnelsAsked = true
      const { ledger, counters, backoff } = this.#shared
      try {
        this.#tunnels = new TunnelEgress(ledger, this.ifIndex, counters, backoff)
      } catch {
        // Without it, segments are cut before they are put into a tunnel.
        this.#tunnels = null
      }
    }
    return this.#tunnels !== null
  }

  send(pkt: Packet): void {
    if (this.#tunnels !== null && isTunnel(pkt.flow.protocol)) this.#tunnels.push(pkt)
    else this.#queue.push(pkt)
  }

  transmit(): void {
    this.#queue.flush()
    this.#tunnels?.flush()
  }

  giveBack(): void {
    this.#ring.giveBack()
  }

  /** From now on lets in what the ring options' filter says. */
  followFilter(): void {
    attachFilter(this.#shared.ledger, this.descriptor, this.#shared.ring.filter)
  }

  countLosses(): void {
    const { counters } = this.#shared
    counters[Counter.ringFull] = counters[Counter.ringFull]! + takeLosses(this.descriptor)
  }

  /**
   * Follows the interface: its MAC address and MTU, and its being made anew under the same name.
   * Going down and up again needs nothing, the kernel keeps the socket bound. Only between turns.
   */
  refresh(): void {
    const found = interfaceProperties(this.#shared.ledger, this.name)
    if (found === null || !found.ethernet) return
    const reopen = this.#broken || found.ifIndex !== this.ifIndex
    this.#adopt(found)
    if (reopen) this.#reopen()
  }

  /** Whether it waits for being opened anew. */
  get broken(): boolean {
    return this.#broken
  }

  #reopen(): void {
    const { ledger } = this.#shared
    this.#closeTunnels()
    let fd = -1
    let ring: Ring | null = null
    try {
      fd = openPacketSocket(ledger, this.#shared.ring.filter)
      ring = this.#openRing(fd)
      bindToInterface(fd, this.ifIndex)
      libc.must('dup2', libc.dup2(fd, this.descriptor))
      this.#ring.close()
      this.#ring = ring
      this.#broken = false
    } catch {
      // It vanished again meanwhile, or memory is short: the next refresh tries once more.
      ring?.close()
      this.#broken = true
    } finally {
      if (fd >= 0) ledger.close(fd)
    }
  }

  #openRing(fd: number): Ring {
    const { ledger, counters, large, ring } = this.#shared
    const { descriptor, index: port, mtuOctets } = this
    const options = { ...ring, fd, descriptor, port, mtuOctets }
    return new Ring(ledger, options, counters, large)
  }

  #adopt(found: InterfaceProperties): void {
    const v = new DataView(found.mac.buffer, found.mac.byteOffset)
    this.ifIndex = found.ifIndex
    this.macHigh = v.getUint16(0)
    this.macLow = v.getInt32(2)
    this.mtuOctets = found.mtuOctets
    this.segments = found.segments
    this.sums = found.sums
  }

  #closeTunnels(): void {
    this.#tunnels?.close()
    this.#tunnels = null
    this.#tunnelsAsked = false
  }

  close(): void {
    this.#closeTunnels()
    this.#ring.close()
    this.#queue.close()
    this.#shared.ledger.close(this.descriptor)
  }
}
