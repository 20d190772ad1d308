/** Memory of a shadow engine: laid out as the real one's (shared/memory.ts), with little in it. */
import { COUNTER_NAMES } from '../counters.js'
import type { SharedMemory } from '../protocol.js'
import * as appRecord from '../shared/app-record.js'
import { AUXILIARY, octetsFor } from '../shared/conn-record.js'
import { LOOP_WORDS } from '../shared/loop-record.js'
import { CONTROL_WORDS } from '../shared/memory.js'
import { PE_WORDS } from '../shared/pe-record.js'
import { STRIDE } from '../shared/statistics.js'

/** How many of each there is room for. */
export interface ShadowSizes {
  conns: number
  engineData: number
  services: number
  dests: number
}

export function shadowMemory({ conns, engineData, services, dests }: ShadowSizes): SharedMemory {
  const float64 = (count: number) => new SharedArrayBuffer(count * 8)
  const records = AUXILIARY + conns
  return {
    conns: new SharedArrayBuffer(octetsFor(records)),
    apps: new SharedArrayBuffer(records * appRecord.WORDS * 4),
    // Number 0 and row 0 mean "none".
    engineData: new SharedArrayBuffer((engineData + 1) * PE_WORDS * 4),
    counters: float64(COUNTER_NAMES.length),
    totals: float64(STRIDE),
    services: float64((services + 1) * STRIDE),
    dests: float64((dests + 1) * STRIDE),
    control: new SharedArrayBuffer(CONTROL_WORDS * 4),
    loop: float64(LOOP_WORDS),
  }
}
