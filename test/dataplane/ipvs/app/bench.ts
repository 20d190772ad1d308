/** The engine with an FTP service behind NAT, a client and a real server played by the test. */
import { ManualClock } from '../../../../dataplane/clock.js'
import { Counter, type CounterName } from '../../../../dataplane/counters.js'
import type { LoopbackDriver } from '../../../../dataplane/driver/loopback.js'
import { Engine } from '../../../../dataplane/engine.js'
import { Ipvs } from '../../../../dataplane/ipvs/ipvs.js'
import { AUXILIARY } from '../../../../dataplane/shared/conn-record.js'
import { allocate } from '../../../../dataplane/shared/memory.js'
import type { DestConfig, ServiceKey } from '../../../../dataplane/protocol.js'
import { stateName } from '../../../../dataplane/shared/conn-states.js'
import * as address from '../../../../dataplane/wire/address.js'
import { buildBytes, onesComplement, type TcpRecord } from '../../../fixtures/packets.js'
import type { Wire } from '../../../golden/case.js'
import { makeDriver, PORTS, Topology, WIRES } from '../../../golden/topology.js'

export const CAST = {
  4: { client: '192.0.2.9', vip: '198.51.100.200', server: '192.168.10.11' },
  6: { client: '2001:db8:c::9', vip: '2001:db8:f::10', server: '2001:db8:10::11' },
} as const
export type Family = keyof typeof CAST
export const CLIENT_PORT = 4000

const MTU_OCTETS = 1500
const ETHERNET = 14

/** What came out of one wire. */
export interface Seen {
  wire: Wire
  src: string
  dst: string
  srcPort: number
  dstPort: number
  seq: number
  ack: number
  options: Uint8Array
  text: string
  octets: number
  /** Whether IP and TCP checksums are right. */
  sound: boolean
}

/** The other fields are those of an ordinary segment. */
type Sent = Partial<TcpRecord> & { text?: string }

export class FtpBench {
  readonly ipvs: Ipvs
  readonly family: Family
  readonly #memory: ReturnType<typeof allocate>
  readonly #clock = new ManualClock()
  readonly #driver: LoopbackDriver
  readonly #engine: Engine

  /** `from` is an engine that died: its memory is taken over. */
  constructor(family: Family = 4, from?: FtpBench) {
    this.family = family
    const memory = from === undefined ? allocate(1024) : from.#memory
    const { vip, server } = CAST[family]
    const lab = {
      ...{ vips: [CAST[4].vip], vips6: [CAST[6].vip], mtu_s: MTU_OCTETS, mtu_c: MTU_OCTETS },
      icmp_ratelimit: 0,
    }
    const counters = new Float64Array(memory.counters)
    const driver = makeDriver(lab, counters)
    const { network } = new Topology(driver, lab)
    const ipvs = new Ipvs({ driver, network, clock: this.#clock, memory, seeds: [1, 2, 3] })
    const key: ServiceKey = {
      ...{ family: family === 4 ? 'ipv4' : 'ipv6', protocol: 'tcp', address: vip, port: 21 },
    }
    const dest: DestConfig = {
      ...{ address: server, port: 21, weight: 1, forwarding: 'masq', tunnel: null },
      ...{ upperThreshold: 0, lowerThreshold: 0 },
    }
    const service = { key, persistence: null, onePacket: false, schedulerFlags: [] }
    ipvs.restore([
      {
        service: { ...service, scheduler: 'rr' },
        row: from ? 1 : null,
        dests: [{ dest, row: from ? 1 : null }],
      },
    ])
    this.ipvs = ipvs
    this.#memory = memory
    this.#driver = driver
    this.#engine = new Engine({
      ...{ driver, pipeline: ipvs, clock: this.#clock, counters },
      onFault: error => {
        throw error
      },
    })
  }

  /** A control connection, ESTABLISHED: both sides start at 1000 (client) and 5000 (server). */
  connect(): this {
    this.client({ flags: 'S', seq: 999 })
    this.server({ flags: 'S.', seq: 4999, ack: 1000 })
    this.client({ flags: '.', seq: 1000, ack: 5000 })
    return this
  }

  client(sent: Sent, vnet?: Uint8Array): Seen[] {
    const { client, vip } = CAST[this.family]
    const ends = { src: client, dst: vip }
    return this.inject(
      'client',
      this.frame(ends, { srcPort: CLIENT_PORT, dstPort: 21 }, sent),
      vnet,
    )
  }

  server(sent: Sent, vnet?: Uint8Array): Seen[] {
    const { client, server } = CAST[this.family]
    const ends = { src: server, dst: client }
    return this.inject(
      'server',
      this.frame(ends, { srcPort: 21, dstPort: CLIENT_PORT }, sent),
      vnet,
    )
  }

  frame(
    ends: { src: string; dst: string },
    ports: { srcPort: number; dstPort: number },
    { text = '', ...tcp }: Partial<TcpRecord> & { text?: string },
  ): Uint8Array {
    const payload = Buffer.from(text, 'latin1')
    const ip = buildBytes({ ...ends, tcp: { ...ports, flags: 'P.', payload, ...tcp } })
    const type = this.family === 4 ? [8, 0] : [0x86, 0xdd]
    return Uint8Array.from([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0xfe, ...type, ...ip])
  }

  inject(wire: Wire, frame: Uint8Array, vnet?: Uint8Array): Seen[] {
    this.#driver.inject(PORTS[wire], frame, vnet ? { vnet } : {})
    this.#engine.breathe()
    return this.#driver.sent.splice(0).map(sent => read(WIRES[sent.port]!, sent.frame))
  }

  pass(seconds: number): void {
    for (let i = 0; i < seconds * 10; i++) {
      this.#clock.advance(100)
      this.#engine.breathe()
    }
  }

  count(name: CounterName): number {
    return new Float64Array(this.#memory.counters)[Counter[name]]!
  }

  /** `client:port virtual:port server:port STATE`, sorted. */
  connections(): string[] {
    const { records } = this.ipvs.conns
    const lines: string[] = []
    for (let c = AUXILIARY; c < records.high; c++) {
      if (!records.isInUse(c)) continue
      const text = (word: (c: number, i: number) => number) =>
        address.format(this.family, word(c, 0), word(c, 1), word(c, 2), word(c, 3))
      lines.push(
        [
          `${text(records.caddr.bind(records))} ${records.cport(c)}`,
          `${text(records.vaddr.bind(records))} ${records.vport(c)}`,
          `${text(records.daddr.bind(records))} ${records.dport(c)}`,
          stateName(6, records.state(c), false),
        ].join(' > '),
      )
    }
    return lines.sort()
  }
}

/** Reads a frame without the dataplane's own header code. */
function read(wire: Wire, frame: Uint8Array): Seen {
  const b = Buffer.from(frame).subarray(ETHERNET)
  const isIpv4 = b[0]! >>> 4 === 4
  const l4 = isIpv4 ? (b[0]! & 15) * 4 : 40
  const end = isIpv4 ? b.readUInt16BE(2) : 40 + b.readUInt16BE(4)
  const from = isIpv4 ? 12 : 8
  const width = isIpv4 ? 4 : 16
  const addresses = b.subarray(from, from + 2 * width)
  const tcp = b.subarray(l4, end)
  const header = (tcp[12]! >>> 4) * 4
  const pseudo = [...addresses, 0, 0, tcp.length >>> 8, tcp.length & 0xff, 0, 0, 0, 6]
  const text = (at: number) => {
    const w = [0, 4, 8, 12].map(i => (i < width ? addresses.readInt32BE(at + i) : 0))
    return address.format(isIpv4 ? 4 : 6, w[0]!, w[1]!, w[2]!, w[3]!)
  }
  return {
    ...{ wire, src: text(0), dst: text(width) },
    ...{ srcPort: tcp.readUInt16BE(0), dstPort: tcp.readUInt16BE(2) },
    ...{ seq: tcp.readUInt32BE(4), ack: tcp.readUInt32BE(8) },
    options: Uint8Array.from(tcp.subarray(20, header)),
    text: tcp.subarray(header).toString('latin1'),
    octets: end,
    sound:
      end === b.length &&
      onesComplement([...pseudo, ...tcp]) === 0 &&
      (!isIpv4 || onesComplement(b.subarray(0, l4)) === 0),
  }
}
