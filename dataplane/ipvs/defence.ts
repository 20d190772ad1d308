/**
 * What IPVS does under attack (ip_vs_ctl.c: update_defense_level; ip_vs_conn.c:
 * ip_vs_random_dropentry), once a second: drop entries of the table at random, drop one of so many
 * packets that would make a connection, and use TCP's second set of tables.
 *
 * Each has a mode: 0 off, 3 on, and 1, which turns into 2 and acts while memory is short, and back.
 * "Memory" means two things here, and the shorter one counts, in pages of 4 KiB:
 *
 * - the connection table, whose size is fixed: the part of it that is free. Because `amemthresh`
 *   may be more than a small table has at all, a table counts as eight times the threshold at
 *   least: it is short when under 1/8 is free, or under `amemthresh` pages if that is less.
 * - the process: what the system or its control group can still give it (MemAvailable).
 *
 * Unlike Linux, the random drop does not walk 1/32 of the hash buckets but looks at random records,
 * 1/32 of those ever used. The chance of each entry is the same. A large table is done in parts,
 * so that packets need not wait.
 */
import { Counter } from '../counters.js'
import { DEFENCE } from '../shared/memory.js'
import { AUXILIARY, HASHED, TEMPLATE, WORDS } from '../shared/conn-record.js'
import { SCTP_STATES, TCP_STATES } from '../shared/conn-states.js'
import { TICKS_PER_SECOND } from '../timer-wheel.js'
import { SCTP, TCP } from '../wire/ip-protocol.js'
import { TEMPLATE_ASSURED, type Connections } from './conn.js'
import type { Tcp } from './proto/tcp.js'
import { ONEPACKET } from './service.js'
import type { ServiceTable } from './service-table.js'
import type { DefenceMode, Settings } from './settings.js'

export const PAGE_OCTETS = 4096
const TABLE_MIN_THRESHOLDS = 8
/** Each second 1/32 of the table is looked at (CONN table size >> 5). */
const SHARE = 32
/** Records looked at between two packets' turns. */
const PART = 8192
/** todrop_entry: fresher connections are left alone. */
const IDLE_TICKS = 60 * TICKS_PER_SECOND
const PACKETS_MAX = 8

/** What becomes of an entry that is met, by state: left alone, dropped, or dropped by its age. */
const Fate = { keep: 0, drop: 1, candidate: 2 } as const
type Fate = (typeof Fate)[keyof typeof Fate]

const fates = (states: readonly string[], dropped: readonly string[]): readonly Fate[] =>
  states.map(state => {
    if (dropped.includes(state)) return Fate.drop
    return state === 'ESTABLISHED' ? Fate.candidate : Fate.keep
  })
const TCP_FATES = fates(TCP_STATES, ['SYN_RECV', 'SYNACK'])
const SCTP_FATES = fates(SCTP_STATES, ['INIT1', 'INIT'])

export interface DefenceOptions {
  conns: Connections
  services: ServiceTable
  tcp: Tcp
  settings: Settings
  counters: Float64Array
  control: Int32Array
  /** A uniform integer in [0, bound]. */
  random: (bound: number) => number
  /** Octets that the process may still take. */
  availableOctets: () => number
}

export class Defence {
  readonly #o: DefenceOptions
  /** One of so many packets is dropped; 0 = none. */
  #rate = 0
  #countdown = 0
  /** Records that this second's random drop has still to look at. */
  #left = 0
  /** By packets seen: every n-th candidate with n packets is dropped. */
  readonly #candidates = new Int32Array(PACKETS_MAX + 1)

  constructor(options: DefenceOptions) {
    this.#o = options
  }

  /** Every second: sets the modes by need, and starts the random drop. */
  tick(): void {
    const { settings, tcp, conns, control } = this.#o
    const wanted = isByNeed(settings.dropEntry, settings.dropPacket, settings.secureTcp)
    const available = wanted ? this.#availablePages() : Infinity
    const isShort = available < settings.amemthresh
    settings.dropEntry = next(settings.dropEntry, isShort)
    settings.dropPacket = next(settings.dropPacket, isShort)
    settings.secureTcp = next(settings.secureTcp, isShort)
    this.#setRate(available)
    tcp.secure = settings.secureTcp >= 2
    control[DEFENCE] = settings.dropEntry | (settings.dropPacket << 2) | (settings.secureTcp << 4)
    this.#left = settings.dropEntry >= 2 ? Math.ceil((conns.records.high - AUXILIARY) / SHARE) : 0
  }

  /** Goes on with the random drop. False when it is through for this second. */
  sweep(): boolean {
    const { conns, random, counters } = this.#o
    const { records } = conns
    for (let i = Math.min(PART, this.#left); i > 0; i--) {
      this.#left--
      const c = AUXILIARY + random(records.high - AUXILIARY - 1)
      if (!this.#isDoomed(c)) continue
      counters[Counter.defenceDropEntry]!++
      conns.remove(c)
    }
    return this.#left > 0
  }

  /** Whether this packet, which would make a connection, is one of those to drop (ip_vs_todrop). */
  toDrop(): boolean {
    if (this.#rate === 0) return false
    if (--this.#countdown > 0) return false
    this.#countdown = this.#rate
    return true
  }

  /** Drops the packets that `other` would. */
  resemble(other: Defence): void {
    this.#rate = other.#rate
    this.#countdown = other.#countdown
  }

  #setRate(available: number): void {
    const { dropPacket, amemthresh, amDroprate } = this.#o.settings
    if (dropPacket === 2) {
      this.#rate = Math.floor(amemthresh / (amemthresh - available))
      this.#countdown = this.#rate
    } else this.#rate = dropPacket === 3 ? amDroprate : 0
  }

  #availablePages(): number {
    const { conns, settings, availableOctets } = this.#o
    const { total: size, limit } = conns.records
    const pages = Math.max(
      (limit * WORDS * 4) / PAGE_OCTETS,
      settings.amemthresh * TABLE_MIN_THRESHOLDS,
    )
    const free = (pages * (limit - size)) / limit
    return Math.floor(Math.min(free, availableOctets() / PAGE_OCTETS))
  }

  #isDoomed(c: number): boolean {
    const { records } = this.#o.conns
    if (!records.isInUse(c) || records.nControl(c) > 0) return false
    const flags = records.flags(c)
    if ((flags & HASHED) === 0) return false
    const fate = (flags & TEMPLATE) !== 0 ? this.#templateFate(c) : this.#fate(c)
    return fate === Fate.candidate ? this.#isUnlucky(c) : fate === Fate.drop
  }

  #templateFate(c: number): Fate {
    const { conns, services } = this.#o
    const dest = conns.destOf(c)
    const service = dest === undefined ? undefined : services.byRow(dest.serviceRow)
    if (service !== undefined && (service.flags & ONEPACKET) !== 0) return Fate.candidate
    return (conns.records.state(c) & TEMPLATE_ASSURED) === 0 ? Fate.drop : Fate.keep
  }

  #fate(c: number): Fate {
    const { records } = this.#o.conns
    const protocol = records.protocol(c)
    if (protocol === TCP) return TCP_FATES[records.state(c)] ?? Fate.keep
    if (protocol === SCTP) return SCTP_FATES[records.state(c)] ?? Fate.keep
    return Fate.candidate
  }

  /** todrop_entry: idle for a minute, few packets, and its turn. */
  #isUnlucky(c: number): boolean {
    const { records, wheel } = this.#o.conns
    if (records.timeoutTicks(c) - wheel.remaining(c) < IDLE_TICKS) return false
    const packets = records.inPkts(c)
    if (packets < 1 || packets > PACKETS_MAX) return false
    const countdown = this.#candidates[packets]! - 1
    this.#candidates[packets] = countdown > 0 ? countdown : packets
    return countdown <= 0
  }
}

const isByNeed = (...modes: readonly DefenceMode[]): boolean =>
  modes.some(mode => mode === 1 || mode === 2)

function next(mode: DefenceMode, isShort: boolean): DefenceMode {
  if (mode === 0 || mode === 3) return mode
  return isShort ? 2 : 1
}
