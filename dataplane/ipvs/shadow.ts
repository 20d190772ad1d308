/**
 * A second engine beside the real one, for one packet: it takes over from a copy of what the packet
 * can meet (its services, real servers, connections and templates), as a new worker takes over from
 * a dead one. What it then does is what the real one would do, and the real one does not notice.
 */
import type { Driver } from '../driver/driver.js'
import { IPV4, type Packet } from '../packet.js'
import type { RestoredService, ServiceKey } from '../protocol.js'
import * as appRecord from '../shared/app-record.js'
import {
  AUXILIARY,
  CONTROL,
  DEST,
  NEXT,
  N_CONTROL,
  PE,
  WORDS,
  wordsOf,
} from '../shared/conn-record.js'
import { CONNS_HIGH, PE_HIGH, TICK } from '../shared/memory.js'
import { PE_CONN, PE_NEXT, PE_WORDS } from '../shared/pe-record.js'
import { STRIDE } from '../shared/statistics.js'
import { configOf, keyOf } from './config-words.js'
import type { Dest } from './dest.js'
import { focusOn, type Focus } from './focus.js'
import { Ipvs } from './ipvs.js'
import type { Service } from './service.js'
import { shadowMemory } from './shadow-memory.js'

/** Connections that one packet makes: its own and its template; a helper's two and theirs. */
const NEW_CONNS = 16

/** Enough for the one packet. */
const REASSEMBLY_OCTETS = 1 << 17

export interface ShadowOptions {
  real: Ipvs
  /** The packet, parsed, with the mark that it is going to have. */
  pkt: Packet
  mark: number
  nowMs: number
  /** Made with the counters of the shadow. */
  driver: (counters: Float64Array) => Driver
}

export class Shadow {
  readonly ipvs: Ipvs
  readonly driver: Driver
  readonly focus: Focus
  readonly #real: Ipvs
  /** Real engine's connection, service and real server to the number it has here. */
  readonly #conns = new Map<number, number>()
  readonly #services = new Map<Service, number>()
  readonly #dests = new Map<Dest, number>()
  readonly #engineData = new Map<number, number>()

  constructor({ real, pkt, mark, nowMs, driver }: ShadowOptions) {
    this.#real = real
    const focus = focusOn(real, pkt, mark)
    this.focus = focus
    this.#number(focus)
    const { records } = real.conns
    const memory = shadowMemory({
      conns: focus.conns.length + Math.min(NEW_CONNS, records.limit - records.size),
      engineData: this.#engineData.size + Math.min(NEW_CONNS, real.conns.engineData.available),
      services: this.#services.size + focus.graves.length,
      dests: this.#dests.size,
    })
    const firstTick = real.conns.wheel.nowTick
    const control = new Int32Array(memory.control)
    control[TICK] = firstTick | 0
    control[CONNS_HIGH] = AUXILIARY + focus.conns.length - 1
    control[PE_HIGH] = this.#engineData.size
    this.#copyConns(memory)
    this.#copyEngineData(memory)
    this.driver = driver(new Float64Array(memory.counters))
    this.ipvs = new Ipvs({
      ...{ driver: this.driver, network: real.network.reader(), memory, firstTick },
      reassemblyOctets: REASSEMBLY_OCTETS,
      clock: { now: () => nowMs },
    })
    this.ipvs.resemble(real)
    this.#restore(focus)
    this.#copyStatistics()
  }

  /** The real engine's own, for one of this engine's real servers. */
  realDest(own: Dest | null): Dest | undefined {
    for (const [dest, row] of this.#dests) if (row === own?.row) return dest
    return undefined
  }

  #number({ conns, services, graves }: Focus): void {
    for (const c of conns) {
      this.#conns.set(c, AUXILIARY + this.#conns.size)
      const data = this.#real.conns.records.engineData(c)
      if (data !== 0) this.#engineData.set(data, this.#engineData.size + 1)
    }
    for (const service of services) {
      this.#services.set(service, this.#services.size + 1)
      for (const dest of service.dests) this.#dests.set(dest, this.#dests.size + 1)
    }
    for (const dest of graves) this.#dests.set(dest, this.#dests.size + 1)
  }

  #copyConns({ conns, apps }: Ipvs['memory']): void {
    const { words } = this.#real.conns.records
    const realApps = new Int32Array(this.#real.memory.apps)
    const own = wordsOf(conns)
    const ownApps = new Int32Array(apps)
    for (const [from, to] of this.#conns) {
      const at = to * WORDS
      own.set(words.subarray(from * WORDS, (from + 1) * WORDS), at)
      const dest = this.#real.conns.destOf(from)
      own[at + NEXT] = 0
      own[at + DEST] = dest === undefined ? 0 : this.#dests.get(dest)!
      own[at + CONTROL] = this.#conns.get(own[at + CONTROL]!) ?? 0
      own[at + PE] = this.#engineData.get(own[at + PE]!) ?? 0
      const row = from * appRecord.WORDS
      ownApps.set(realApps.subarray(row, row + appRecord.WORDS), to * appRecord.WORDS)
    }
  }

  #copyEngineData({ engineData }: Ipvs['memory']): void {
    const { words } = this.#real.conns.engineData
    const own = new Int32Array(engineData)
    for (const [from, to] of this.#engineData) {
      const at = to * PE_WORDS
      own.set(words.subarray(from * PE_WORDS, (from + 1) * PE_WORDS), at)
      own[at + PE_NEXT] = 0
      own[at + PE_CONN] = this.#conns.get(own[at + PE_CONN]!) ?? 0
    }
  }

  /** Real servers that were deleted are given a service of their own, and deleted again. */
  #restore({ services, graves, flow }: Focus): void {
    const { admin } = this.ipvs
    const configured: RestoredService[] = services.map(service => {
      const described = this.#real.admin.describeService(keyOf(service))
      const rows = service.dests.map(dest => this.#dests.get(dest)!).reverse()
      return {
        service: described.service,
        row: this.#services.get(service)!,
        dests: described.dests.map((dest, i) => ({ dest, row: rows[i]! })),
      }
    })
    const buried = graves.map((dest, i) => this.#grave(dest, this.#services.size + 1 + i))
    this.ipvs.restore([...configured, ...buried])
    for (const { service, dests } of buried) {
      for (const { dest } of dests) admin.delDest(service.key, dest)
      admin.delService(service.key)
    }
    for (const [service, row] of this.#services) {
      const state = service.scheduler?.snapshot?.(flow)
      if (state !== undefined) this.ipvs.services.byRow(row)!.scheduler!.restore?.(state, flow)
    }
  }

  #grave(dest: Dest, row: number): RestoredService {
    const family = dest.family === IPV4 ? 'ipv4' : 'ipv6'
    let fwmark = 0xffffffff - row
    while (this.#isTaken(dest.family, fwmark)) fwmark--
    const key: ServiceKey = { family, fwmark }
    const rest = { schedulerFlags: [], persistence: null, onePacket: false }
    return {
      service: { key, scheduler: 'rr', ...rest },
      ...{ row, dests: [{ dest: configOf(dest), row: this.#dests.get(dest)! }] },
    }
  }

  #isTaken = (family: number, fwmark: number): boolean =>
    this.#real.services.getMark(family, fwmark) !== undefined

  /** After `restore`, which counts connections anew and knows but a few of them. */
  #copyStatistics(): void {
    const { memory, conns } = this.ipvs
    const from = new Float64Array(this.#real.memory.dests)
    const to = new Float64Array(memory.dests)
    for (const [dest, row] of this.#dests) {
      to.set(from.subarray(dest.row * STRIDE, (dest.row + 1) * STRIDE), row * STRIDE)
      const own = this.ipvs.destAt(row)
      // Deleted, and its last connection could not be taken over.
      if (own === undefined) continue
      own.resemble(dest)
      const service = this.#real.services.byRow(dest.serviceRow)
      own.serviceRow = service === undefined ? 0 : (this.#services.get(service) ?? 0)
    }
    const { words } = this.#real.conns.records
    for (const [real, c] of this.#conns)
      if (conns.records.isInUse(c))
        conns.records.words[c * WORDS + N_CONTROL] = words[real * WORDS + N_CONTROL]!
  }
}
