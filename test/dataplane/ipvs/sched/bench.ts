/** A service's list of real servers around one scheduler, without connections. */
import { Flow } from '../../../../dataplane/packet.js'
import type { Dest } from '../../../../dataplane/ipvs/dest.js'
import { schedulers, type SchedulerName } from '../../../../dataplane/ipvs/sched/index.js'
import type { Scheduler } from '../../../../dataplane/ipvs/sched/scheduler.js'
import * as address from '../../../../dataplane/wire/address.js'
import { fromSeed } from '../../../fixtures/random.js'
import { World } from '../world.js'

export interface BenchOptions {
  fallback?: boolean
  usePort?: boolean
}

export class Bench {
  readonly world = new World()
  readonly dests: Dest[] = []
  scheduler: Scheduler
  readonly #names = new Map<Dest, string>()
  nowMs = 0
  /** lblc_expiration and lblcr_expiration. */
  expirationMs = 86_400_000

  readonly #make: () => Scheduler

  constructor(name: SchedulerName, { fallback = false, usePort = false }: BenchOptions = {}) {
    const random = fromSeed(42)
    this.#make = () =>
      schedulers[name]({
        family: 4,
        dests: this.dests,
        fallback,
        usePort,
        random: bound => random(bound + 1),
        nowMs: () => this.nowMs,
        lblcExpirationMs: () => this.expirationMs,
        lblcrExpirationMs: () => this.expirationMs,
      })
    this.scheduler = this.#make()
  }

  /** The service changes to this scheduler with the servers that it has. */
  rebind(): this {
    this.scheduler = this.#make()
    return this
  }

  /** `A1 B2 C3`: servers in the order in which they are added, with weights. */
  addAll(text: string): this {
    for (const word of text.split(' ')) this.add(word[0]!, Number(word.slice(1)))
    return this
  }

  /** Server A is 10.0.0.1:80, B 10.0.0.2:80, and so on. */
  add(name: string, weight: number): Dest {
    const dest = this.world.addDest(`10.0.0.${name.charCodeAt(0) - 64}`, 80, { weight })
    this.#names.set(dest, name)
    this.dests.unshift(dest)
    this.scheduler.add(dest)
    return dest
  }

  del(name: string): Dest {
    const dest = this.get(name)
    const index = this.dests.indexOf(dest)
    this.dests.splice(index, 1)
    dest.available = false
    this.scheduler.del(dest, index)
    return dest
  }

  edit(name: string, weight: number): void {
    const dest = this.get(name)
    dest.weight = weight
    if (weight !== 0) dest.lastWeight = weight
    this.scheduler.edit(dest)
  }

  get(name: string): Dest {
    return this.dests.find(dest => this.#names.get(dest) === name)!
  }

  nameOf(dest: Dest | null): string {
    return dest === null ? '-' : this.#names.get(dest)!
  }

  /** Who takes a connection of that client, counted as nothing. `-`: nobody. */
  pick(client = '192.0.2.1', clientPort = 40000, to = '198.51.100.1'): string {
    return this.nameOf(this.scheduler.schedule(flowOf(client, clientPort, to), false))
  }

  /** As `pick` that often, each new connection becoming active, or inactive, and staying. */
  picks(count: number, become: 'nothing' | 'active' | 'inactive' = 'nothing'): string {
    const flow = flowOf('192.0.2.1', 40000, '198.51.100.1')
    const names: string[] = []
    for (let i = 0; i < count; i++) {
      const dest = this.scheduler.schedule(flow, false)
      names.push(this.nameOf(dest))
      if (dest !== null && become === 'active') dest.activeConns++
      if (dest !== null && become === 'inactive') dest.inactConns++
    }
    return names.join(' ')
  }
}

export function flowOf(client: string, clientPort: number, to: string): Flow {
  const from = address.parse(client)!
  const dst = address.parse(to)!
  return Object.assign(new Flow(), {
    family: from.family,
    protocol: 6,
    src0: from.w0,
    src1: from.w1,
    src2: from.w2,
    src3: from.w3,
    srcPort: clientPort,
    dst0: dst.w0,
    dst1: dst.w1,
    dst2: dst.w2,
    dst3: dst.w3,
    dstPort: 80,
  })
}
