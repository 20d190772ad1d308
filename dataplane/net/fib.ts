/**
 * The routes of the tables local, main and default, asked in that order: what ip-rule(8) has when
 * nobody changed it. Other tables are reached only by policy rules, which are not followed.
 */
import { IPV4 } from '../packet.js'
import { PrefixTable, type Stamped } from './prefix-table.js'
import {
  RouteType,
  TABLE_DEFAULT,
  TABLE_LOCAL,
  TABLE_MAIN,
  sameHop,
  sameHops,
  type Hop,
  type Route,
} from './route.js'

/** A full Internet table does not belong into a load balancer's host; beyond, the kernel routes. */
export const ROUTES_MAX = 1 << 16

/** How a notification wants its route entered (NLM_F_REPLACE, NLM_F_APPEND; dumps append). */
export type Placement = 'first' | 'append' | 'replace'

export class Fib {
  readonly #tables4 = [new PrefixTable(), new PrefixTable(), new PrefixTable()] as const
  readonly #tables6 = [new PrefixTable(), new PrefixTable(), new PrefixTable()] as const
  readonly routesMax: number
  #count = 0
  #stamp = 0
  #overflowed = false

  constructor(routesMax = ROUTES_MAX) {
    this.routesMax = routesMax
  }

  get count(): number {
    return this.#count
  }

  /** Whether routes had to be left out: then only the kernel knows the way. */
  get overflowed(): boolean {
    return this.#overflowed
  }

  /** The kernel's choice for that destination; null when no route matches. */
  lookup(family: number, w0: number, w1: number, w2: number, w3: number): Route | null {
    const tables = family === IPV4 ? this.#tables4 : this.#tables6
    for (let i = 0; i < tables.length; i++) {
      const route = tables[i]!.match(w0, w1, w2, w3, isUsable)
      if (route !== null && route.type !== RouteType.throw) return route
    }
    return null
  }

  /** Whether the host would deliver that destination to itself. */
  isLocal(family: number, w0: number, w1: number, w2: number, w3: number): boolean {
    const route = this.lookup(family, w0, w1, w2, w3)
    return route !== null && (route.type === RouteType.local || route.type === RouteType.anycast)
  }

  /** The routes of that one's table, prefix and metric, itself among them. */
  equals(route: Route): Route[] {
    const routes = this.#table(route)?.routes(route) ?? []
    return routes.map(entry => entry.route).filter(other => isSameKey(other, route))
  }

  /** Enters a route. Returns whether that changed anything. */
  add(route: Route, placement: Placement): boolean {
    const table = this.#table(route)
    if (table === null) return false
    const old = table.routes(route)
    const same = old.find(({ route: other }) => isSameKey(other, route) && isSame(other, route))
    if (same !== undefined) {
      same.stamp = this.#stamp
      return false
    }
    if (this.#count >= this.routesMax) {
      const changed = !this.#overflowed
      this.#overflowed = true
      return changed
    }
    const entry: Stamped = { route, stamp: this.#stamp }
    const replaced = findReplaced(old, route, placement)
    // IPv6 puts a route behind others of its metric whatever is asked for (fib6_add_rt2node).
    const last = placement === 'append' || route.family !== IPV4
    const behind = old.findIndex(({ route: { metric } }) =>
      last ? metric > route.metric : metric >= route.metric,
    )
    const at = behind < 0 ? old.length : behind
    const routes = replaced >= 0 ? old.with(replaced, entry) : old.toSpliced(at, 0, entry)
    table.setRoutes(route, routes)
    this.#count += routes.length - old.length
    return true
  }

  /**
   * Takes a route out, or some next hops of one. Returns false when nothing matched: what we know
   * is not what the kernel knows, and the routes should be read again.
   */
  remove(route: Route): boolean {
    const table = this.#table(route)
    if (table === null) return true
    const old = table.routes(route)
    const i = findRemoved(old, route)
    // With some left out, an unknown one is no news.
    if (i < 0) return this.#overflowed
    const { route: found, stamp } = old[i]!
    const hops = found.hops.filter(hop => !route.hops.some(gone => sameHop(hop, gone)))
    const left =
      hops.length > 0 && hops.length < found.hops.length
        ? [{ route: { ...found, hops }, stamp }]
        : []
    const routes = [...old.slice(0, i), ...left, ...old.slice(i + 1)]
    table.setRoutes(route, routes)
    this.#count += routes.length - old.length
    return true
  }

  /** Every route, in no particular order. */
  *all(): Iterable<Route> {
    for (const table of [...this.#tables4, ...this.#tables6])
      for (const routes of table.all()) for (const { route } of routes) yield route
  }

  /** What is added from here on counts as confirmed. */
  beginDump(): void {
    this.#stamp++
    this.#overflowed = false
  }

  /** Takes out what the dump did not confirm. Returns whether anything was. */
  endDump(): boolean {
    let changed = false
    for (const table of [...this.#tables4, ...this.#tables6]) {
      for (const routes of table.all()) {
        const kept = routes.filter(({ stamp }) => stamp === this.#stamp)
        if (kept.length === routes.length) continue
        changed = true
        this.#count -= routes.length - kept.length
        table.setRoutes(routes[0]!.route, kept)
      }
    }
    return changed
  }

  #table({ family, table }: Route): PrefixTable | null {
    const tables = family === IPV4 ? this.#tables4 : this.#tables6
    if (table === TABLE_LOCAL) return tables[0]
    if (table === TABLE_MAIN) return tables[1]
    return table === TABLE_DEFAULT ? tables[2] : null
  }
}

/** The next hop for a flow of that hash, by weight (fib_select_multipath); null when all are dead. */
export function selectHop({ hops }: Route, hash: number): Hop | null {
  let total = 0
  for (let i = 0; i < hops.length; i++) if (!hops[i]!.dead) total += hops[i]!.weight
  if (total === 0) return null
  let at = (hash >>> 0) % total
  for (let i = 0; i < hops.length; i++) {
    const hop = hops[i]!
    if (hop.dead) continue
    at -= hop.weight
    if (at < 0) return hop
  }
  return null
}

/** We send no Type of Service of our own, so routes for one do not apply. */
function isUsable({ tos, hops }: Route): boolean {
  if (tos !== 0) return false
  if (hops.length === 0) return true
  for (let i = 0; i < hops.length; i++) if (!hops[i]!.dead) return true
  return false
}

const isSameKey = (a: Route, b: Route): boolean => a.metric === b.metric && a.tos === b.tos

const isSame = (a: Route, b: Route): boolean =>
  a.type === b.type &&
  a.mtuOctets === b.mtuOctets &&
  sameHops(a.hops, b.hops) &&
  a.hops.every(({ dead, weight }, i) => dead === b.hops[i]!.dead && weight === b.hops[i]!.weight)

/**
 * Which route the new one stands in for, -1 for none. One is replaced even when several have its
 * metric: the first (fib_table_insert), for IPv6 the first that is alike in having gateways
 * (fib6_add_rt2node).
 */
function findReplaced(routes: readonly Stamped[], route: Route, placement: Placement): number {
  const find = (matches: (other: Route) => boolean): number =>
    routes.findIndex(entry => isSameKey(entry.route, route) && matches(entry.route))
  // The same next hops with other attributes.
  const same = find(other => other.type === route.type && sameHops(other.hops, route.hops))
  if (same >= 0) return same
  if (placement === 'replace') {
    if (route.family === IPV4) return find(() => true)
    const alike = find(other => hasGateways(other) === hasGateways(route))
    return alike >= 0 ? alike : find(() => true)
  }
  // An IPv6 multipath route that grew is announced whole.
  return route.family === IPV4
    ? -1
    : find(other => other.hops.some(hop => route.hops.some(newer => sameHop(hop, newer))))
}

const hasGateways = ({ hops }: Route): boolean =>
  hops.length > 0 && hops.every(({ via }) => via !== null)

function findRemoved(routes: readonly Stamped[], gone: Route): number {
  const exact = routes.findIndex(
    ({ route }) =>
      isSameKey(route, gone) && route.type === gone.type && sameHops(route.hops, gone.hops),
  )
  if (exact >= 0) return exact
  return routes.findIndex(
    ({ route }) =>
      isSameKey(route, gone) &&
      route.type === gone.type &&
      gone.hops.length > 0 &&
      gone.hops.every(hop => route.hops.some(other => sameHop(hop, other))),
  )
}
