/** How IPVS measures and compares the load of real servers. */
import type { Dest } from '../dest.js'

/** An active connection weighs as much as 256 inactive ones (ip_vs_dest_conn_overhead). */
export const overhead = (dest: Dest): number => dest.activeTotal * 256 + dest.inactTotal

/** Whether the scheduler may give the server anything new. */
export const isUsable = (dest: Dest): boolean =>
  dest.weight > 0 && !dest.heldBack && !dest.overloaded

const SPLIT = 2 ** 21

/**
 * Whether a * b > c * d, exactly. Loads are cross-multiplied with weights, in 64 bits in the
 * kernel; a double holds 53, so larger products are compared in two halves.
 */
export function isProductGreater(a: number, b: number, c: number, d: number): boolean {
  const left = a * b
  const right = c * d
  if (left <= Number.MAX_SAFE_INTEGER && right <= Number.MAX_SAFE_INTEGER) return left > right
  const a1 = Math.floor(a / SPLIT)
  const c1 = Math.floor(c / SPLIT)
  const leftLow = (a - a1 * SPLIT) * b
  const rightLow = (c - c1 * SPLIT) * d
  const leftCarry = Math.floor(leftLow / SPLIT)
  const rightCarry = Math.floor(rightLow / SPLIT)
  const high = a1 * b + leftCarry - (c1 * d + rightCarry)
  if (high !== 0) return high > 0
  return leftLow - leftCarry * SPLIT > rightLow - rightCarry * SPLIT
}

/** The weighted least-connection choice that wlc, lblc and lblcr share; ties go to the first. */
export function leastLoaded(dests: readonly Dest[]): Dest | null {
  let least: Dest | null = null
  let load = 0
  for (let i = 0; i < dests.length; i++) {
    const dest = dests[i]!
    if (!isUsable(dest)) continue
    const own = overhead(dest)
    if (least === null || isProductGreater(load, dest.weight, own, least.weight)) {
      least = dest
      load = own
    }
  }
  return least
}
