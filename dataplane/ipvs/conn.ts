/**
 * The life of a connection (ip_vs_conn.c): creation, its real server's counters, the timer that
 * every packet restarts, expiry, and the links by which templates and FTP control connections
 * outlive what they control. Unlike Linux there are no references to count: one thread owns it all.
 */
import * as record from '../shared/conn-record.js'
import {
  AUXILIARY,
  C0,
  C1,
  D0,
  D1,
  DPORT,
  FLAGS,
  FWD_MASK,
  FWMARK,
  HASHED,
  HELPED,
  INACTIVE,
  KILLED,
  MASQ,
  NOOUTPUT,
  NO_CPORT,
  ONE_PACKET,
  PORTS,
  SYNCED,
  TEMPLATE,
  V0,
  V1,
  WORDS,
} from '../shared/conn-record.js'
import { TICKS_PER_SECOND, TimerWheel } from '../timer-wheel.js'
import { ConnParams } from './conn-params.js'
import type { Bindings } from './app/bindings.js'
import type { ConnSlab } from './conn-slab.js'
import type { ConnTable } from './conn-table.js'
import type { Dest } from './dest.js'
import type { EngineData } from './pe/engine-data.js'

/** Until the first state transition sets another (ip_vs_conn_new). */
const TIMEOUT_NEW = 3 * TICKS_PER_SECOND
/** How long one that still controls others is kept on each time it falls due. */
const TIMEOUT_CONTROLLING = 60 * TICKS_PER_SECOND
/** Port of a template that nothing shall find any more. */
export const PORT_INVALID = 0xffff
const PROTOCOL_UDP = 17

/** State of a template: one of its connections got through. */
export const TEMPLATE_ASSURED = 1

/** Work that shares the wheel with the connections; it arms its own node again. */
export type Job = () => void

export interface ConnectionsOptions {
  slab: ConnSlab
  table: ConnTable
  wheel: TimerWheel
  engineData: EngineData
  /** The real server with that statistics row, deleted ones in the trash included. */
  destOf: (row: number) => Dest | undefined
  /** Which ports have a helper; none when absent. */
  bindings?: Bindings
}

export class Connections {
  /** The fields of every connection: `records.state(c)`. */
  readonly records: ConnSlab
  readonly table: ConnTable
  readonly wheel: TimerWheel
  /** What persistence engines know their templates by. */
  readonly engineData: EngineData
  /** For callers to fill before `create`. */
  readonly params = new ConnParams()
  /** Asked when the timer of a killed connection is due; true when it was armed again. */
  onKilledDue: (c: number) => boolean = () => false
  readonly #words: Int32Array
  readonly #destOf: (row: number) => Dest | undefined
  readonly #bindings: Bindings | null
  readonly #jobs: (Job | null)[] = new Array<Job | null>(AUXILIARY).fill(null)
  readonly #onExpire: (node: number) => void

  constructor({ slab, table, wheel, engineData, destOf, bindings }: ConnectionsOptions) {
    this.records = slab
    this.table = table
    this.wheel = wheel
    this.engineData = engineData
    this.#words = slab.words
    this.#destOf = destOf
    this.#bindings = bindings ?? null
    for (let node = 1; node < AUXILIARY; node++) wheel.reset(node)
    // One closure for all timers, made once.
    this.#onExpire = node => this.#expireNode(node)
  }

  /** The real server of a connection; undefined for bypass and unbound ones. */
  destOf(c: number): Dest | undefined {
    const row = this.#words[c * WORDS + record.DEST]!
    return row === 0 ? undefined : this.#destOf(row)
  }

  /**
   * A new connection, bound to `dest`, counted and findable, with no timer yet: `release` starts
   * it. Returns 0 when the table is full.
   */
  create(params: ConnParams, dest: Dest | null, flags: number, fwmark: number): number {
    const c = this.records.allocate()
    if (c === 0) return 0
    const words = this.#words
    const at = c * WORDS
    words[at + PORTS] = (params.cport << 16) | params.vport
    words[at + C0] = params.c0
    words[at + V0] = params.v0
    words[at + DPORT] = params.dport
    words[at + FLAGS] = flags
    words[at + record.DEST] = 0
    words[at + record.EXPIRES] = (this.wheel.nowTick + TIMEOUT_NEW) | 0
    words[at + record.SLOT] = -1
    words[at + record.TIMEOUT] = TIMEOUT_NEW
    words[at + record.ADJACENCY] = -1
    words[at + record.IN_PKTS] = 0
    words[at + record.CONTROL] = 0
    words[at + record.N_CONTROL] = 0
    for (let i = C1; i <= record.SYNC; i++) words[at + i] = 0
    words[at + FWMARK] = fwmark
    if (params.family === 6) {
      words[at + C1] = params.c1
      words[at + C1 + 1] = params.c2
      words[at + C1 + 2] = params.c3
      words[at + V1] = params.v1
      words[at + V1 + 1] = params.v2
      words[at + V1 + 2] = params.v3
    }
    const destFamily = this.#writeDestAddress(at, params, dest)
    words[at + record.PE] = params.engineData
    if (dest !== null) this.#bind(at, params.protocol, dest)
    // ip_vs_bind_app: only NAT can change what it carries.
    if (this.#bindings !== null && (words[at + FLAGS]! & (FWD_MASK | TEMPLATE)) === MASQ) {
      const application = this.#bindings.bind(c, params.protocol, params.vport)
      words[at + record.APP] = application
      if (application !== 0) words[at + FLAGS]! |= HELPED
    }
    this.records.publish(c, params.family, params.protocol, destFamily, 0)
    if (params.engineData !== 0) this.engineData.bind(params.engineData, c)
    // A one-packet connection is never found again.
    if ((words[at + FLAGS]! & ONE_PACKET) === 0) this.table.hash(c)
    return c
  }

  /** Ends the work on a packet: restarts the timer, or expires a one-packet connection. */
  release(c: number): void {
    const at = c * WORDS
    if ((this.#words[at + FLAGS]! & ONE_PACKET) !== 0) this.#expire(c)
    else this.wheel.arm(c, this.#words[at + record.TIMEOUT]!)
  }

  /**
   * Lets the timer fire at the next tick. Until then the entry is listed, counted and found,
   * unless a newer one of the same addresses hides it.
   */
  expireNow(c: number): void {
    if (this.wheel.isArmed(c) && this.wheel.remaining(c) > 0) this.wheel.arm(c, 0)
  }

  /** Removes at once; takes with it a controller that has nothing else and was never assured. */
  remove(c: number): void {
    // The mark of a forced removal, as in the kernel.
    if (this.records.control(c) !== 0) this.records.setTimeoutTicks(c, 0)
    this.#expire(c)
  }

  /** Runs due timers, at most `budget`, and returns how many. */
  advance(nowTick: number, budget: number): number {
    return this.wheel.advance(nowTick, budget, this.#onExpire)
  }

  /** Gives timer node 1 .. AUXILIARY - 1 to a job; whoever wants it to run arms the node. */
  setJob(node: number, job: Job): void {
    this.#jobs[node] = job
  }

  /** Makes `control` live at least as long as `c`. */
  controlAdd(c: number, control: number): void {
    this.controlDel(c)
    this.records.setControl(c, control)
    this.records.setNControl(control, this.records.nControl(control) + 1)
  }

  /** A controlled connection got through: its template is worth keeping under attack. */
  assureControl(c: number): void {
    const control = this.records.control(c)
    if (control === 0 || (this.records.flags(control) & TEMPLATE) === 0) return
    this.records.setState(control, this.records.state(control) | TEMPLATE_ASSURED)
  }

  /** The first packet of an expected connection told the client's port. */
  fillCport(c: number, cport: number): void {
    if ((this.records.flags(c) & NO_CPORT) === 0) return
    this.table.rehash(c, cport, this.records.vport(c))
  }

  /** Hides a template whose real server cannot be used; it runs out under port 65535. */
  invalidateTemplate(c: number): void {
    if (this.records.vport(c) === PORT_INVALID) return
    this.table.rehash(c, 0, PORT_INVALID)
    this.records.setDport(c, PORT_INVALID)
  }

  /**
   * Moves a connection between its real server's counters; the protocols call it. It is counted
   * twice for a moment and never not at all: others read (readLive) while it moves.
   */
  setActive(c: number, active: boolean): void {
    const flags = this.records.flags(c)
    if (((flags & INACTIVE) === 0) === active) return
    const dest = this.destOf(c)
    if (dest === undefined) return
    if (active) {
      dest.activeConns++
      dest.inactConns--
      this.records.setFlags(c, flags & ~INACTIVE)
    } else {
      dest.inactConns++
      dest.activeConns--
      this.records.setFlags(c, flags | INACTIVE)
    }
  }

  /**
   * Removes connections whose real server was deleted (expire_nodest_conn), looking at up to
   * `count` records from `cursor` on. Returns the next cursor, 0 at the end.
   */
  purgeUnavailable(cursor: number, count: number): number {
    const { records } = this
    const end = Math.min(records.high, Math.max(cursor, AUXILIARY) + count)
    for (let c = Math.max(cursor, AUXILIARY); c < end; c++) {
      if (!records.isInUse(c) || records.nControl(c) > 0) continue
      const dest = this.destOf(c)
      if (dest === undefined || dest.available) continue
      const control = records.control(c)
      this.remove(c)
      // Even an assured template goes, when this was its last connection.
      const orphan = control !== 0 && records.isInUse(control) && records.nControl(control) === 0
      if (orphan) this.remove(control)
    }
    return end >= records.high ? 0 : end
  }

  /** Removes everything, controllers after what they control. */
  removeAll(): void {
    const { records } = this
    while (records.size > 0) {
      for (let c = AUXILIARY; c < records.high; c++) {
        if (records.isInUse(c) && records.nControl(c) === 0) this.remove(c)
      }
    }
  }

  /**
   * Takes over what a dead worker left in shared memory; all its real servers are known again.
   * Connections of a server that is gone are dropped: its row may be another's by now. Timers go
   * on from where they stood. Returns how many survived.
   */
  adopt(dests: readonly Dest[]): number {
    const { records, wheel } = this
    for (const dest of dests) {
      dest.activeConns = 0
      dest.inactConns = 0
      dest.persistConns = 0
      dest.references = 0
    }
    const survived = records.adopt(c => this.#isAdoptable(c))
    this.table.adopt()
    this.engineData.adopt()
    for (let c = AUXILIARY; c < records.high; c++) if (records.isInUse(c)) records.setNControl(c, 0)
    for (let c = AUXILIARY; c < records.high; c++) {
      if (!records.isInUse(c)) continue
      const control = records.control(c)
      if (control !== 0 && records.isInUse(control)) {
        records.setNControl(control, records.nControl(control) + 1)
      } else {
        records.setControl(c, 0)
      }
      records.setAdjacency(c, -1)
      const left = wheel.remaining(c)
      wheel.reset(c)
      wheel.arm(c, left)
      if ((records.flags(c) & HELPED) !== 0) this.#bindings?.adopt(records.vport(c))
      const dest = this.destOf(c)
      if (dest !== undefined) this.#count(dest, records.flags(c), 1)
    }
    for (const dest of dests) dest.overloaded = dest.overloaded && !dest.isRelieved
    return survived
  }

  #isAdoptable(c: number): boolean {
    const { records } = this
    // One that was never hashed was being made, or carried a single packet.
    if ((records.flags(c) & HASHED) === 0) return false
    const data = records.engineData(c)
    if (data !== 0 && !this.engineData.belongs(data, c)) return false
    const row = records.destRow(c)
    if (row === 0) return true
    const dest = this.#destOf(row)
    if (dest === undefined || dest.family !== records.destFamily(c)) return false
    return (
      dest.w0 === records.daddr(c, 0) &&
      dest.w1 === records.daddr(c, 1) &&
      dest.w2 === records.daddr(c, 2) &&
      dest.w3 === records.daddr(c, 3)
    )
  }

  #writeDestAddress(at: number, params: ConnParams, dest: Dest | null): number {
    const words = this.#words
    const own = dest === null || params.destFamily !== 0
    words[at + D0] = own ? params.d0 : dest.w0
    const family = own ? params.destFamily || params.family : dest.family
    if (family === 6) {
      words[at + D1] = own ? params.d1 : dest.w1
      words[at + D1 + 1] = own ? params.d2 : dest.w2
      words[at + D1 + 2] = own ? params.d3 : dest.w3
    }
    return family
  }

  /** Follows ip_vs_bind_dest: inherits the server's flags, counts, and looks at its threshold. */
  #bind(at: number, protocol: number, dest: Dest): void {
    const words = this.#words
    let inherited = dest.connFlags
    if (protocol !== PROTOCOL_UDP) inherited &= ~ONE_PACKET
    let flags = words[at + FLAGS]!
    if ((flags & SYNCED) !== 0) {
      // Announced by another director: keeps its activity, takes the method from here.
      if ((flags & TEMPLATE) === 0) inherited &= ~INACTIVE
      flags &= ~(FWD_MASK | NOOUTPUT)
    }
    flags |= inherited
    words[at + FLAGS] = flags
    words[at + record.DEST] = dest.row
    this.#count(dest, flags, 1)
    const total = dest.activeTotal + dest.inactTotal
    if (dest.upperThreshold !== 0 && total >= dest.upperThreshold) dest.overloaded = true
  }

  #unbind(c: number): void {
    const dest = this.destOf(c)
    if (dest === undefined) return
    this.#count(dest, this.records.flags(c), -1)
    if (dest.overloaded && dest.isRelieved) dest.overloaded = false
    this.records.setDestRow(c, 0)
  }

  #count(dest: Dest, flags: number, change: 1 | -1): void {
    dest.references += change
    if ((flags & TEMPLATE) !== 0) dest.persistConns += change
    else if ((flags & INACTIVE) !== 0) dest.inactConns += change
    else dest.activeConns += change
  }

  #expireNode(node: number): void {
    if (node < AUXILIARY) this.#jobs[node]?.()
    else if ((this.records.flags(node) & KILLED) === 0 || !this.onKilledDue(node))
      this.#expire(node)
  }

  /** Follows ip_vs_conn_expire. */
  #expire(c: number): void {
    const { records, wheel } = this
    if (records.nControl(c) > 0) {
      records.setTimeoutTicks(c, TIMEOUT_CONTROLLING)
      wheel.arm(c, TIMEOUT_CONTROLLING)
      return
    }
    wheel.disarm(c)
    this.table.unhash(c)
    const control = records.control(c)
    const forced = records.timeoutTicks(c) === 0
    this.controlDel(c)
    if (control !== 0 && forced && records.nControl(control) === 0) {
      const isKept =
        (records.flags(control) & TEMPLATE) !== 0 &&
        (records.state(control) & TEMPLATE_ASSURED) !== 0
      if (!isKept) this.remove(control)
    }
    this.#unbind(c)
    if ((records.flags(c) & HELPED) !== 0) this.#bindings?.unbind(records.vport(c))
    const data = records.engineData(c)
    if (data !== 0) this.engineData.give(data)
    records.free(c)
  }

  /** Lets go of what controls `c`. */
  controlDel(c: number): void {
    const control = this.records.control(c)
    if (control === 0) return
    this.records.setControl(c, 0)
    this.records.setNControl(control, this.records.nControl(control) - 1)
  }
}
