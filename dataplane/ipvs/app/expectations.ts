import { Counter } from '../../counters.js'
import { Flow } from '../../packet.js'
import { NO_CPORT } from '../../shared/conn-record.js'
import { TCP } from '../../wire/ip-protocol.js'
import type { Connections } from '../conn.js'
import type { Tcp } from '../proto/tcp.js'

/**
 * Connections that a control connection has announced, made before their first packet: state
 * LISTEN, of the same real server, counted among its inactive ones, and kept apart from
 * scheduling. The control connection lives at least as long as they do (ip_vs_control_add). One
 * that is announced again is the same.
 */
export class Expectations {
  readonly #conns: Connections
  readonly #tcp: Tcp
  readonly #counters: Float64Array
  readonly #flow = new Flow()

  constructor(conns: Connections, tcp: Tcp, counters: Float64Array) {
    this.#conns = conns
    this.#tcp = tcp
    this.#counters = counters
    this.#flow.protocol = TCP
  }

  /**
   * The server listens at `address` and `port`, where the client will come from a port not known
   * yet. 0 when there is no room for another connection, which is counted.
   */
  passive(control: number, address: Int32Array, port: number): number {
    const { records, table } = this.#conns
    const f = this.#flow
    f.family = records.family(control)
    f.src0 = address[0]!
    f.src1 = address[1]!
    f.src2 = address[2]!
    f.src3 = address[3]!
    f.srcPort = port
    f.dst0 = records.caddr(control, 0)
    f.dst1 = records.caddr(control, 1)
    f.dst2 = records.caddr(control, 2)
    f.dst3 = records.caddr(control, 3)
    f.dstPort = 0
    const known = table.outGet(f)
    // A persistence template has client port 0 too.
    if (known !== 0 && (records.flags(known) & NO_CPORT) !== 0) return this.#listen(known)
    const { params } = this.#conns
    this.#takeVirtual(control)
    params.c0 = f.dst0
    params.c1 = f.dst1
    params.c2 = f.dst2
    params.c3 = f.dst3
    params.cport = 0
    params.vport = port
    // Not the real server's address when a foreign one is allowed.
    params.destFamily = f.family
    params.d0 = f.src0
    params.d1 = f.src1
    params.d2 = f.src2
    params.d3 = f.src3
    params.dport = port
    return this.#create(control, NO_CPORT)
  }

  /** The client listens at `address` and `port`; the server comes from the port below its own. */
  active(control: number, address: Int32Array, port: number): number {
    const { records, table } = this.#conns
    const { params } = this.#conns
    this.#takeVirtual(control)
    const f = this.#flow
    f.family = params.family
    f.src0 = params.c0 = address[0]!
    f.src1 = params.c1 = address[1]!
    f.src2 = params.c2 = address[2]!
    f.src3 = params.c3 = address[3]!
    f.srcPort = params.cport = port
    f.dst0 = params.v0
    f.dst1 = params.v1
    f.dst2 = params.v2
    f.dst3 = params.v3
    f.dstPort = params.vport = below(records.vport(control))
    const known = table.inGet(f)
    if (known !== 0) return this.#listen(known)
    params.destFamily = params.family
    params.d0 = records.daddr(control, 0)
    params.d1 = records.daddr(control, 1)
    params.d2 = records.daddr(control, 2)
    params.d3 = records.daddr(control, 3)
    params.dport = below(records.dport(control))
    return this.#create(control, 0)
  }

  #takeVirtual(control: number): void {
    const { params, records } = this.#conns
    params.family = records.family(control)
    params.protocol = TCP
    params.engineData = 0
    params.v0 = records.vaddr(control, 0)
    params.v1 = records.vaddr(control, 1)
    params.v2 = records.vaddr(control, 2)
    params.v3 = records.vaddr(control, 3)
  }

  #create(control: number, flags: number): number {
    const conns = this.#conns
    const { records } = conns
    const dest = conns.destOf(control) ?? null
    const c = conns.create(conns.params, dest, flags, records.fwmark(control))
    if (c === 0) {
      this.#counters[Counter.tableFull]!++
      return 0
    }
    conns.controlAdd(c, control)
    this.#counters[Counter.helperExpected]!++
    return this.#listen(c)
  }

  #listen(c: number): number {
    this.#tcp.listen(c)
    this.#conns.release(c)
    return c
  }
}

/** FTP's data port is the one below its control port (RFC 959 section 3.2). */
const below = (port: number): number => (port - 1) & 0xffff
