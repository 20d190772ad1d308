/**
 * Maglev hashing (ip_vs_mh.c; Eisenbud et al., NSDI 2016, section 3.4). The hash keys are fixed,
 * so every director fills the same table and a client keeps its server when routers pick another
 * director. The table follows the last weight that was not 0: quiescing a server moves nobody.
 */
import type { Flow } from '../../packet.js'
import type { Dest } from '../dest.js'
import { foldDest, foldDestination, foldSource } from './fold.js'
import { isUsable } from './overhead.js'
import type { Scheduler, SchedulerContext } from './scheduler.js'
import { siphash13 } from './siphash.js'

/** A prime, the kernel's default; no service can have more servers than slots. */
export const MH_SLOTS = 4093
const WEIGHT_BITS = 6
const KEY1 = 2654435761
const KEY2 = 2654446892

export class Maglev implements Scheduler {
  readonly #context: SchedulerContext
  #slots: readonly Dest[] = []
  /** List or weights changed; the table is filled when it is next needed. */
  #isStale = true

  constructor(context: SchedulerContext) {
    this.#context = context
  }

  add(): void {
    this.#isStale = true
  }
  del(): void {
    this.#isStale = true
  }
  edit(): void {
    this.#isStale = true
  }

  schedule(flow: Flow, inverse: boolean): Dest | null {
    if (this.#isStale) this.#fill()
    if (this.#slots.length === 0) return null
    const port = !this.#context.usePort ? 0 : inverse ? flow.dstPort : flow.srcPort
    const key = port + (inverse ? foldDestination(flow) : foldSource(flow))
    const hash = siphash13(key | 0, KEY1)
    const dest = this.#slots[hash % MH_SLOTS]!
    if (dest.available && isUsable(dest)) return dest
    return this.#context.fallback ? this.#fallback(key, hash) : null
  }

  #fallback(key: number, hash: number): Dest | null {
    for (let offset = 0; offset < MH_SLOTS; offset++) {
      const rehash = siphash13((((offset + hash) % MH_SLOTS) + key) | 0, KEY1)
      const dest = this.#slots[rehash % MH_SLOTS]!
      if (dest.available && isUsable(dest)) return dest
    }
    return null
  }

  #fill(): void {
    this.#slots = fillTable(this.#context.dests, this.#context.family)
    this.#isStale = false
  }
}

/**
 * The slots, each with its server; none at all when no server ever had a weight. `family` is the
 * service's, 4 or 6.
 */
export function fillTable(dests: readonly Dest[], family: number): Dest[] {
  const divisor = dests.reduce((gcd, dest) => greatestCommonDivisor(dest.lastWeight, gcd), 0)
  if (divisor === 0) return []
  const heaviest = dests.reduce((max, dest) => Math.max(max, dest.lastWeight), 0)
  const shift = Math.max(0, 32 - Math.clz32(heaviest / divisor) - WEIGHT_BITS)
  const rows = dests
    .filter(dest => dest.lastWeight !== 0)
    .map(dest => {
      const key = (dest.port + foldDest(dest, family)) | 0
      return {
        dest,
        turns: Math.max(1, (dest.lastWeight / divisor) >>> shift),
        position: siphash13(key, KEY1) % MH_SLOTS,
        skip: (siphash13(key, KEY2) % (MH_SLOTS - 1)) + 1,
      }
    })
  const slots = new Array<Dest | null>(MH_SLOTS).fill(null)
  for (let filled = 0; ;) {
    for (const row of rows) {
      for (let turn = 0; turn < row.turns; turn++) {
        while (slots[row.position] !== null) row.position = (row.position + row.skip) % MH_SLOTS
        slots[row.position] = row.dest
        if (++filled === MH_SLOTS) return slots as Dest[]
      }
    }
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b]
  return a
}
