/** What programs/table-meter.ts found, for one size and family. */
export interface TableReport {
  count: number
  family: number
  /** Connections that a lookup did not find; 0 or the figures are worth nothing. */
  missing: number
  /** Connections that had not expired at the end; 0 likewise. */
  left: number
  /** Resident memory that the table took, for each connection. */
  octetsEach: number
  /** Resident memory of the whole process with the table full. */
  rssOctets: number
  /** One alone, each waiting for the one before. */
  lookupNs: number
  /** In bursts, as packets come: a burst's connections are touched before its first is looked up. */
  burstNs: number
  /** The same order of reading, one word of the buckets and one of the records, and no more. */
  floorNs: number
  insertsPerS: number
  expiriesPerS: number
  /** The longest of all turns: 256 insertions or lookups, or a turn's worth of timers. */
  longestMs: number
  /** What that turn did. */
  longestIn: string
  /** The longest turn of a loop that only calculates: the machine's, not the table's. */
  idleMs: number
}
