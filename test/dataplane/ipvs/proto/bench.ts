/** One connection and the packets that move its state. */
import { Packet } from '../../../../dataplane/packet.js'
import { TEMPLATE } from '../../../../dataplane/shared/conn-record.js'
import type { Dest } from '../../../../dataplane/ipvs/dest.js'
import { Protocols } from '../../../../dataplane/ipvs/proto/index.js'
import { Direction, type Protocol } from '../../../../dataplane/ipvs/proto/protocol.js'
import { World } from '../world.js'

export class Bench {
  readonly world = new World()
  readonly protocols = new Protocols(this.world.conns)
  readonly dest: Dest
  readonly protocol: Protocol
  readonly c: number
  readonly template: number

  constructor(protocol: number, method = 0) {
    this.dest = this.world.addDest('10.0.0.1', 80, { method })
    this.protocol = this.protocols.get(protocol)!
    const { conns } = this.world
    Object.assign(conns.params, { family: 4, protocol, c0: 1, v0: 2, vport: 80, dport: 80 })
    this.template = conns.create(conns.params, this.dest, TEMPLATE, 0)
    conns.params.cport = 1000
    this.c = conns.create(conns.params, this.dest, 0, 0)
    conns.controlAdd(this.c, this.template)
  }

  get state(): string {
    return this.protocol.states[this.world.conns.records.state(this.c)]!
  }
  set state(name: string) {
    this.world.conns.records.setState(this.c, this.protocol.states.indexOf(name))
  }
  get timeoutS(): number {
    return this.world.conns.records.timeoutTicks(this.c) / 100
  }
  get isActive(): boolean {
    return this.dest.activeConns === 1 && this.dest.inactConns === 0
  }
  get isAssured(): boolean {
    return this.world.conns.records.state(this.template) === 1
  }

  fromClient(pkt: Packet): string {
    this.protocol.setState(this.c, Direction.input, pkt)
    return this.state
  }
  fromServer(pkt: Packet): string {
    this.protocol.setState(this.c, Direction.output, pkt)
    return this.state
  }
}

/** A packet that is nothing but these octets of transport header, the rest of the buffer 0xa5. */
export function packetOf(octets: readonly number[]): Packet {
  const bytes = new Uint8Array(256).fill(0xa5)
  bytes.set(octets, 40)
  const pkt = new Packet(bytes)
  pkt.l3 = 20
  pkt.l4 = 40
  pkt.end = 40 + octets.length
  return pkt
}
