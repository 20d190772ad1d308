/**
 * Counters of the whole dataplane: one Float64 each in memory that the main thread can read.
 * Drop reasons are what happened to the packet; they double as metric names.
 */
export const COUNTER_NAMES = [
  // Traffic of the loop.
  'received',
  'forwarded',
  'answered',
  'accepted',
  'kernelEgress',
  // Drops while reading the frame.
  'truncated',
  'notIp',
  'vlan',
  'badIpHeader',
  'badIpChecksum',
  'badTransportHeader',
  'martianSource',
  'sourceRoute',
  'notForUs',
  // Fragments.
  'fragmentHeld',
  'fragmentDuplicate',
  'reassembled',
  'reassemblyTimeout',
  'reassemblyOverlap',
  'reassemblyFull',
  'fragmentedOut',
  // Decisions.
  'noDest',
  'refused',
  'destUnavailable',
  'tableFull',
  'ttlExpired',
  'tooBig',
  'noRoute',
  'icmpBadChecksum',
  'icmpMalformed',
  'icmpRateLimited',
  'serviceUnscheduled',
  'noEngineData',
  'defenceDropPacket',
  'defenceDropEntry',
  // Connections that an operator ended, and packets that came for them afterwards.
  'killed',
  'killedPacket',
  // Helpers: a drop; data connections expected; announcements of others' addresses, and unreadable ones.
  'badTransportChecksum',
  'helperExpected',
  'helperRefused',
  'helperMalformed',
  // Sending.
  'transmitFull',
  'transmitError',
  'noBuffer',
  'ringFull',
  'segmented',
  // Between workers: given to the one that it belongs to; that one had no room.
  'handedOver',
  'handoverFull',
  // Bugs.
  'internalError',
] as const

export type CounterName = (typeof COUNTER_NAMES)[number]

/** Index of each counter, e.g. `counters[Counter.noDest]++`. */
export const Counter = Object.fromEntries(COUNTER_NAMES.map((name, i) => [name, i])) as {
  readonly [K in CounterName]: number
}
