import type { Port } from '../driver/driver.js'
import type { Neighbour } from './neighbours.js'
import { NextHop, Refusal, type Adjacency, type NextHopKind, type RefusalKind } from './network.js'

/** Index bits and generation bits share a word in connection records. */
const INDEX_LIMIT = 1 << 20
const GENERATION_BITS = 12
const GENERATIONS = 1 << GENERATION_BITS
/** Used for what we cannot tell: the kernel finds out. */
const MTU_FALLBACK = 1500
/** In the order of their numbers. */
const REFUSALS = [Refusal.network, Refusal.host, Refusal.prohibited, Refusal.silent]

/**
 * The adjacencies of the current generation.
 *
 * Generations run from 1 to 4095 and around; 0 is never one, so that a zeroed record is stale. A
 * record that slept through exactly one round shows the current generation again. For that case
 * the numbering starts elsewhere in each round: such an index finds nothing, and the packet takes
 * the kernel's path, which is slower but right.
 */
export class AdjacencyTable {
  /** Counts generations without wrapping. */
  epoch = 1
  generation = 1
  local!: Adjacency
  /** By Refusal. */
  unreachable!: readonly Adjacency[]
  #fallback!: Adjacency
  #base = 0
  readonly #table: Adjacency[] = []
  readonly #kernel = new Map<number, Adjacency>()
  readonly #ethernet = new Map<Neighbour, Adjacency>()

  constructor() {
    this.#start()
  }

  advance(): void {
    this.epoch++
    this.generation = ((this.epoch - 1) % (GENERATIONS - 1)) + 1
    this.#start()
  }

  #start(): void {
    const round = Math.floor((this.epoch - 1) / (GENERATIONS - 1))
    this.#base = (round % (INDEX_LIMIT / GENERATIONS)) * GENERATIONS
    this.#table.length = 0
    this.#kernel.clear()
    this.#ethernet.clear()
    this.#fallback = this.kernel(MTU_FALLBACK)
    this.local = this.#add(NextHop.local, Infinity, null, null)
    this.unreachable = REFUSALS.map(refusal =>
      this.#add(NextHop.unreachable, Infinity, null, null, refusal),
    )
  }

  get(index: number): Adjacency {
    const i = index - this.#base
    return (i >= 0 ? this.#table[i] : undefined) ?? this.#fallback
  }

  kernel(mtuOctets: number): Adjacency {
    const known = this.#kernel.get(mtuOctets)
    if (known !== undefined) return known
    const fresh = this.#add(NextHop.kernel, mtuOctets, null, null)
    this.#kernel.set(mtuOctets, fresh)
    return fresh
  }

  ethernet(port: Port, neighbour: Neighbour, mtuOctets: number): Adjacency {
    const known = this.#ethernet.get(neighbour)
    if (known?.mtuOctets === mtuOctets) return known
    const fresh = this.#add(NextHop.ethernet, mtuOctets, port, neighbour)
    this.#ethernet.set(neighbour, fresh)
    return fresh
  }

  #add(
    kind: NextHopKind,
    mtuOctets: number,
    port: Port | null,
    neighbour: Neighbour | null,
    refusal: RefusalKind = Refusal.network,
  ): Adjacency {
    const index = this.#base + this.#table.length
    if (index >= INDEX_LIMIT) return this.#fallback
    const fresh: Adjacency = {
      index,
      kind,
      refusal,
      port: port?.index ?? -1,
      dstMacHigh: neighbour?.macHigh ?? 0,
      dstMacLow: neighbour?.macLow ?? 0,
      srcMacHigh: port?.macHigh ?? 0,
      srcMacLow: port?.macLow ?? 0,
      mtuOctets,
    }
    this.#table.push(fresh)
    return fresh
  }
}
