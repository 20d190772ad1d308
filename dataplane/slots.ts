/**
 * The tables of the hashing schedulers, without packets: for whoever wants to know how many clients
 * a change would move before it is made. Filled by the schedulers' own code.
 */
import { Dest } from './ipvs/dest.js'
import { fillTable } from './ipvs/sched/mh.js'
import { fillBuckets } from './ipvs/sched/sh.js'
import { STRIDE } from './shared/statistics.js'
import { parse } from './wire/address.js'

export interface SlotDest {
  address: string
  port: number
  weight: number
  /** The last weight that was not 0, which is what `mh` goes by. */
  lastWeight: number
}

const fillers = {
  mh: fillTable,
  sh: (dests: readonly Dest[]) => fillBuckets(dests),
} as const
export type HashingScheduler = keyof typeof fillers

export const isHashing = (scheduler: string): scheduler is HashingScheduler => scheduler in fillers

/**
 * For each slot the position in `dests` of the server that its clients get, -1 where they get none.
 * `dests` newest first, as the dataplane has them; `family` is the service's, 4 or 6. Slots of a server of weight 0 serve nobody.
 */
export function slotsOf(
  scheduler: HashingScheduler,
  dests: readonly SlotDest[],
  family: number,
): Int32Array {
  const stats = new Float64Array(STRIDE)
  const places = new Map(dests.map((dest, i) => [destOf(dest, stats), i]))
  const table: readonly (Dest | null)[] = fillers[scheduler]([...places.keys()], family)
  return Int32Array.from(table, dest =>
    dest === null || dest.weight === 0 ? -1 : places.get(dest)!,
  )
}

function destOf({ address, port, weight, lastWeight }: SlotDest, stats: Float64Array): Dest {
  const dest = new Dest(0, stats, { ...parse(address)!, port })
  dest.weight = weight
  dest.lastWeight = lastWeight
  return dest
}
