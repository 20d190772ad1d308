/** A route of the kernel's tables, as rtnetlink(7) describes it. Addresses are four signed words. */
export const TABLE_DEFAULT = 253
export const TABLE_MAIN = 254
export const TABLE_LOCAL = 255

/** rtm_type (include/uapi/linux/rtnetlink.h). */
export const RouteType = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
} as const

export interface Gateway {
  /** May differ from the route's: IPv4 routes can have an IPv6 gateway (RTA_VIA, RFC 8950). */
  readonly family: number
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
}

export interface Hop {
  readonly ifIndex: number
  /** Null: the destination itself is on the link. */
  readonly via: Gateway | null
  /** Share of flows, 1 or more. */
  readonly weight: number
  /** RTNH_F_DEAD: its interface is down. */
  readonly dead: boolean
  /** A lightweight tunnel (RTA_ENCAP), which only the kernel can apply. */
  readonly encapsulated: boolean
}

export interface Route {
  readonly family: number
  readonly table: number
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
  /** Prefix length in bits. */
  readonly length: number
  readonly type: number
  readonly tos: number
  /** Lower is preferred. */
  readonly metric: number
  readonly hops: readonly Hop[]
  /** 0: the interface's. */
  readonly mtuOctets: number
}

export const sameGateway = (a: Gateway | null, b: Gateway | null): boolean =>
  a === b ||
  (a !== null &&
    b !== null &&
    a.family === b.family &&
    a.w0 === b.w0 &&
    a.w1 === b.w1 &&
    a.w2 === b.w2 &&
    a.w3 === b.w3)

export const sameHop = (a: Hop, b: Hop): boolean =>
  a.ifIndex === b.ifIndex && sameGateway(a.via, b.via)

export const sameHops = (a: readonly Hop[], b: readonly Hop[]): boolean =>
  a.length === b.length && a.every((hop, i) => sameHop(hop, b[i]!))
