/**
 * The default driver: frames are read and rewritten in place in memory-mapped packet socket rings
 * and sent from that same memory. Segmentation-offload frames are carried whole
 * (PACKET_VNET_HDR); the host's own copy of each packet is the packet guard's business.
 */
import { Counter } from '../counters.js'
import type { Packet } from '../packet.js'
import { DescriptorLedger } from '../sys/descriptors.js'
import { Arena } from './arena.js'
import { Backoff } from './backoff.js'
import type { Driver, Via } from './driver.js'
import { PacketHostTap } from './host-tap.js'
import { KernelEgress } from './kernel-egress.js'
import { LargeFrames } from './large-frames.js'
import { PacketPort, type RingOptions } from './packet-port.js'
import type { Instruction } from './bpf.js'

export class PacketRing implements Driver {
  readonly name = 'packet-ring'
  readonly ethernet = true
  readonly ports: readonly PacketPort[]
  readonly host: PacketHostTap

  readonly #counters: Float64Array
  readonly #arena: Arena
  readonly #large: LargeFrames
  readonly #backoff: Backoff
  readonly #egress: KernelEgress
  readonly #ring: RingOptions
  /** Which port is served first: it moves on each turn, so that none is always last. */
  #first = 0

  constructor(
    interfaces: readonly string[],
    counters: Float64Array,
    ledger: DescriptorLedger,
    ring: RingOptions = {},
  ) {
    this.#counters = counters
    this.#backoff = new Backoff(ledger)
    this.#large = new LargeFrames(ledger)
    this.#arena = new Arena(ledger)
    this.#egress = new KernelEgress(ledger, counters)
    this.#ring = { ...ring }
    this.host = new PacketHostTap(ledger, this.#ring.share)
    const shared = {
      ...{ ledger, counters, large: this.#large, backoff: this.#backoff },
      ring: this.#ring,
    }
    const ports: PacketPort[] = []
    this.ports = ports
    try {
      for (const name of interfaces) ports.push(new PacketPort(ports.length, name, shared))
    } catch (error) {
      this.close()
      throw error
    }
  }

  get descriptors(): readonly number[] {
    return [...this.ports.map(port => port.descriptor), ...this.host.descriptors]
  }

  receive(burst: Packet[], max: number): number {
    const { ports } = this
    const count = ports.length
    // A fair share each first; what quiet ports leave goes to the busy ones.
    const share = Math.ceil(max / count)
    let n = 0
    let at = this.#first
    for (let pass = 0; pass < 2 && n < max; pass++) {
      for (let i = 0; i < count && n < max; i++) {
        n = ports[at]!.receive(burst, n, pass === 0 ? Math.min(max, n + share) : max)
        if (++at === count) at = 0
      }
    }
    this.#first = at + 1 >= count ? 0 : at + 1
    return n
  }

  take(octets: number): Packet | null {
    let pkt = this.#arena.take(octets)
    if (pkt === null && this.#arena.settled) {
      // Everything made in this turn is staged: send it now and use the memory again. Received
      // packets stay valid, their slots go back only at the end of the turn.
      this.#transmit()
      this.#arena.reset()
      pkt = this.#arena.take(octets)
    }
    if (pkt === null) this.#counters[Counter.noBuffer] = this.#counters[Counter.noBuffer]! + 1
    return pkt
  }

  send(portIndex: number, pkt: Packet): void {
    this.ports[portIndex]!.send(pkt)
    this.#arena.noteSent(pkt)
  }

  sendIp(pkt: Packet, via: Via | null = null): void {
    this.#egress.send(pkt, via)
    this.#arena.noteSent(pkt)
  }

  flush(): void {
    this.#transmit()
    const { ports } = this
    for (let i = 0; i < ports.length; i++) ports[i]!.giveBack()
    this.#large.reset()
    this.#arena.reset()
    this.#backoff.reset()
  }

  /** Lets in other frames from now on; a frame on its way meets the old program or the new one. */
  filter(program: readonly Instruction[]): void {
    this.#ring.filter = program
    for (const port of this.ports) port.followFilter()
  }

  #transmit(): void {
    const { ports } = this
    for (let i = 0; i < ports.length; i++) ports[i]!.transmit()
  }

  updateCounters(): void {
    for (const port of this.ports) {
      port.countLosses()
      if (port.broken) port.refresh()
    }
  }

  /** False always: a port that is opened anew keeps its descriptor's number. */
  refreshPorts(): boolean {
    for (const port of this.ports) port.refresh()
    return false
  }

  close(): void {
    for (const port of this.ports) port.close()
    this.host.close()
    this.#egress.close()
    this.#arena.close()
    this.#large.close()
    this.#backoff.close()
  }
}

/** Opens those interfaces. Throws SystemError naming what failed; nothing is left open then. */
export function openPacketRing(
  interfaces: readonly string[],
  counters: Float64Array,
  ledger: DescriptorLedger,
  ring: RingOptions = {},
): PacketRing {
  return new PacketRing(interfaces, counters, ledger, ring)
}
