/** A connection table of its own for a test, with real servers and a clock made of ticks. */
import { AUXILIARY, INACTIVE, NOOUTPUT, octetsFor } from '../../../dataplane/shared/conn-record.js'
import { PE_WORDS } from '../../../dataplane/shared/pe-record.js'
import { STRIDE } from '../../../dataplane/shared/statistics.js'
import { ConnSlab } from '../../../dataplane/ipvs/conn-slab.js'
import { ConnTable } from '../../../dataplane/ipvs/conn-table.js'
import { Connections } from '../../../dataplane/ipvs/conn.js'
import { Dest } from '../../../dataplane/ipvs/dest.js'
import { EngineData } from '../../../dataplane/ipvs/pe/engine-data.js'
import { TimerWheel } from '../../../dataplane/timer-wheel.js'
import * as address from '../../../dataplane/wire/address.js'

export const DESTS_MAX = 64

export class World {
  readonly memory: SharedArrayBuffer
  readonly control: SharedArrayBuffer
  readonly engineMemory: SharedArrayBuffer
  readonly stats: Float64Array
  readonly dests = new Map<number, Dest>()
  readonly conns: Connections

  constructor({ capacity = 1000, startTick = 0, from, advise }: WorldOptions = {}) {
    this.memory = from?.memory ?? new SharedArrayBuffer(octetsFor(capacity + AUXILIARY))
    this.control = from?.control ?? new SharedArrayBuffer(512)
    this.engineMemory = from?.engineMemory ?? new SharedArrayBuffer(capacity * PE_WORDS * 4)
    this.stats = from?.stats ?? new Float64Array(DESTS_MAX * STRIDE)
    const slab = new ConnSlab(this.memory, new Int32Array(this.control))
    const table = new ConnTable(slab, { seeds: [0x5eed, 7, 11], ...(advise && { advise }) })
    const wheel = new TimerWheel(slab.words, startTick)
    const engineData = new EngineData({
      ...{ memory: this.engineMemory, control: new Int32Array(this.control), conns: slab.words },
      seeds: [0x5eed, 7, 11],
    })
    this.conns = new Connections({
      ...{ slab, table, wheel, engineData },
      destOf: row => this.dests.get(row),
    })
  }

  addDest(text: string, port: number, settings: DestSettings = {}): Dest {
    const parsed = address.parse(text)
    if (parsed === null) throw new RangeError(text)
    const row = settings.row ?? this.dests.size + 1
    const dest = new Dest(row, this.stats, { ...parsed, port })
    dest.weight = settings.weight ?? 1
    dest.lastWeight = dest.weight
    dest.upperThreshold = settings.upperThreshold ?? 0
    dest.lowerThreshold = settings.lowerThreshold ?? 0
    const method = settings.method ?? 0
    dest.connFlags = method | INACTIVE | (method === 0 ? 0 : NOOUTPUT)
    this.dests.set(row, dest)
    return dest
  }

  /** Runs the wheel for that long. */
  pass(ms: number): void {
    this.conns.advance(this.conns.wheel.nowTick + Math.floor(ms / 10), 1e9)
  }
}

export interface WorldOptions {
  capacity?: number
  startTick?: number
  /** Memory of an earlier world: a worker that starts again. */
  from?: World
  /** Told which memory is read at random (sys/huge-pages.ts). */
  advise?: (memory: Int32Array) => void
}

export interface DestSettings {
  weight?: number
  upperThreshold?: number
  lowerThreshold?: number
  /** Forwarding method in connection flags; 0 is masq. */
  method?: number
  row?: number
}
