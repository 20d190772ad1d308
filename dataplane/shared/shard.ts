/**
 * Which worker a client belongs to, where several share the traffic. By address alone: what one
 * client sends (its fragments, its FTP data connections, ICMP about any of it) and what a
 * persistence template binds together stays in one place. The kernel works out the same in a BPF
 * program (driver/share-filter.ts), so this is 32-bit arithmetic that both have.
 */

/** Odd constants by which an IPv6 prefix is folded; hosts of one prefix stay in a row. */
export const FOLD = [0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f] as const
/** 2^32 divided by the golden ratio: neighbours fall apart. */
export const SPREAD = 0x9e3779b1
export const SPREAD_SHIFT = 16

/** An address as one unsigned number: an IPv4 address is itself. */
export function addressKey(family: number, w0: number, w1: number, w2: number, w3: number): number {
  if (family === 4) return w0 >>> 0
  const prefix = Math.imul(w0, FOLD[0]) + Math.imul(w1, FOLD[1]) + Math.imul(w2, FOLD[2])
  return (prefix + w3) >>> 0
}

/** The worker, 0 to count - 1, of a client by its `addressKey`. */
export const shardOf = (key: number, count: number): number =>
  (Math.imul(key, SPREAD) >>> SPREAD_SHIFT) % count
