import type { Route } from './route.js'

/** All routes of one prefix, the preferred first. */
interface Prefix {
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
  readonly length: number
  routes: readonly Stamped[]
}

export interface Stamped {
  readonly route: Route
  /** The dump that last confirmed it. */
  stamp: number
}

const LENGTHS = 129
/** Four words of mask for each prefix length. */
const MASKS = new Int32Array(LENGTHS * 4)
for (let length = 0; length < LENGTHS; length++) {
  for (let word = 0; word < 4; word++) {
    const bits = Math.max(0, Math.min(32, length - word * 32))
    MASKS[length * 4 + word] = bits === 0 ? 0 : -1 << (32 - bits)
  }
}

function hash(w0: number, w1: number, w2: number, w3: number, length: number): number {
  let h = Math.imul(w0 ^ (length << 24), 0x9e3779b1)
  h = Math.imul(h ^ (h >>> 15) ^ w1, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13) ^ w2, 0xc2b2ae35)
  h = Math.imul(h ^ (h >>> 16) ^ w3, 0x27d4eb2f)
  return h ^ (h >>> 15)
}

/**
 * One routing table of one family: longest prefix match by one hash probe for each prefix length
 * that occurs, longest first. Real tables have few lengths, so a lookup is a handful of probes
 * whatever the number of routes.
 */
export class PrefixTable {
  readonly #prefixes = new Map<number, Prefix[]>()
  readonly #countOf = new Int32Array(LENGTHS)
  /** The lengths that occur, longest first. */
  #lengths: number[] = []

  /** The prefix of exactly that length; null when it has no routes. */
  get(w0: number, w1: number, w2: number, w3: number, length: number): Prefix | null {
    const m = length * 4
    const a = w0 & MASKS[m]!
    const b = w1 & MASKS[m + 1]!
    const c = w2 & MASKS[m + 2]!
    const d = w3 & MASKS[m + 3]!
    const chain = this.#prefixes.get(hash(a, b, c, d, length))
    if (chain === undefined) return null
    for (let i = 0; i < chain.length; i++) {
      const p = chain[i]!
      if (p.w0 === a && p.w1 === b && p.w2 === c && p.w3 === d && p.length === length) return p
    }
    return null
  }

  /** The first usable route of the longest prefix that has one. */
  match(
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    isUsable: (route: Route) => boolean,
  ): Route | null {
    const lengths = this.#lengths
    for (let i = 0; i < lengths.length; i++) {
      const prefix = this.get(w0, w1, w2, w3, lengths[i]!)
      if (prefix === null) continue
      const { routes } = prefix
      for (let j = 0; j < routes.length; j++) {
        if (isUsable(routes[j]!.route)) return routes[j]!.route
      }
    }
    return null
  }

  /** The routes of that route's prefix. */
  routes(route: Route): readonly Stamped[] {
    return this.get(route.w0, route.w1, route.w2, route.w3, route.length)?.routes ?? []
  }

  /** Replaces the routes of that route's prefix. */
  setRoutes(route: Route, routes: readonly Stamped[]): void {
    const { w0, w1, w2, w3, length } = route
    const found = this.get(w0, w1, w2, w3, length)
    const key = hash(w0, w1, w2, w3, length)
    if (found !== null) {
      found.routes = routes
      if (routes.length > 0) return
      const rest = this.#prefixes.get(key)!.filter(prefix => prefix !== found)
      if (rest.length > 0) this.#prefixes.set(key, rest)
      else this.#prefixes.delete(key)
      this.#count(length, -1)
    } else if (routes.length > 0) {
      const chain = this.#prefixes.get(key) ?? []
      this.#prefixes.set(key, [...chain, { w0, w1, w2, w3, length, routes }])
      this.#count(length, 1)
    }
  }

  /** Every prefix's routes. */
  *all(): Iterable<readonly Stamped[]> {
    for (const chain of [...this.#prefixes.values()])
      for (const prefix of chain) yield prefix.routes
  }

  #count(length: number, by: number): void {
    this.#countOf[length] = this.#countOf[length]! + by
    this.#lengths = []
    for (let l = LENGTHS - 1; l >= 0; l--) if (this.#countOf[l]! > 0) this.#lengths.push(l)
  }
}
