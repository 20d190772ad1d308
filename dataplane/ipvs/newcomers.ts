import type { Dest } from './dest.js'
import type { Flow } from '../packet.js'
import type { RampConfig } from '../ramp-config.js'
import type { Scheduler } from './sched/scheduler.js'

/** How fast the share goes on growing behind the ramp, of how fast it grew: no second flood. */
const CATCH_UP_PACE = 1 / 4

/** How far the slow start of a real server is; a share grows beyond 1 when its time is over. */
export class Ramp {
  readonly startedAt: string
  readonly startMs: number
  readonly durationMs: number
  readonly startShare: number
  /** Connections that it may have by now and has not had. */
  credit = 0
  /** When it was passed over last. */
  heldMs: number

  constructor(startedAt: string, startMs: number, durationMs: number, startShare: number) {
    this.startedAt = startedAt
    this.startMs = startMs
    this.durationMs = durationMs
    this.startShare = startShare
    this.heldMs = startMs
  }

  /** As it stands now, to be sent again. */
  describe(nowMs: number): RampConfig {
    const { startedAt, startMs, durationMs, startShare } = this
    return { startedAt, ageMs: nowMs - startMs, durationMs, startShare }
  }

  /** For a copy of its real server. */
  copy(): Ramp {
    const copy = new Ramp(this.startedAt, this.startMs, this.durationMs, this.startShare)
    copy.credit = this.credit
    copy.heldMs = this.heldMs
    return copy
  }

  share(nowMs: number): number {
    const elapsedMs = Math.max(0, nowMs - this.startMs)
    const part = elapsedMs / this.durationMs
    const rise = part < 1 ? part : 1 + (part - 1) * CATCH_UP_PACE
    return this.startShare + (1 - this.startShare) * rise
  }
}

/** Slow start begins once: told again, it goes on, or is over as it was. */
export function setRamp(
  service: { dests: readonly Dest[]; newcomers: Newcomers | null },
  dest: Dest,
  config: RampConfig | undefined,
  nowMs: () => number,
): void {
  const { startedAt = '', ageMs = 0, durationMs = 0, startShare = 0 } = config ?? {}
  const key = `${startedAt} ${durationMs} ${startShare}`
  if (key === dest.rampKey) return
  dest.rampKey = key
  const isNone = config === undefined
  dest.ramp = isNone ? null : new Ramp(startedAt, nowMs() - ageMs, durationMs, startShare)
  if (dest.ramp !== null) service.newcomers ??= new Newcomers(service.dests, nowMs)
}

/** Parts add up, and are not to be lost while a scheduler looks elsewhere; more would be a burst. */
const CREDIT_MAX = 2

/**
 * Slow start, which the kernel does not have. A newcomer has no connections, so least-connection
 * schedulers give it everything, whatever its weight; nq and lc do not even look at that. Therefore
 * not the weight ramps but the rate: of the new connections of its service a newcomer may have no
 * more than a ramped weight would give it. It earns that part of one as credit whenever one is
 * scheduled, pays for each that it gets, and is passed over like an overloaded server while it has
 * no credit. Whether it gets one that it may have is the scheduler's choice, by its own rules.
 *
 * The bound goes on growing after the ramp, slower, so that lc and the like even out counts without
 * a flood at its end. It is over once it has held nobody back for as long as the ramp took. Where
 * all are newcomers, what counts is how far each is. With lblc it bounds how many destinations move
 * to a newcomer, not how many connections these have.
 */
export class Newcomers {
  readonly #dests: readonly Dest[]
  readonly #nowMs: () => number
  /** Nobody is a newcomer any more. */
  isOver = false

  constructor(dests: readonly Dest[], nowMs: () => number) {
    this.#dests = dests
    this.#nowMs = nowMs
  }

  schedule(scheduler: Scheduler, flow: Flow, inverse: boolean): Dest | null {
    const nowMs = this.#nowMs()
    this.#earn(nowMs)
    let dest = scheduler.schedule(flow, inverse)
    // Better one that is not warm yet than nobody.
    while (dest === null && this.#admitRichest()) dest = scheduler.schedule(flow, inverse)
    this.#settle(dest, nowMs)
    return dest
  }

  #earn(nowMs: number): void {
    const dests = this.#dests
    // Weights of all, and the same ramped.
    let whole = 0
    let ramped = 0
    for (let i = 0; i < dests.length; i++) {
      const { weight, overloaded, ramp } = dests[i]!
      if (overloaded) continue
      whole += weight
      ramped += weight * (ramp === null ? 1 : Math.min(1, ramp.share(nowMs)))
    }
    for (let i = 0; i < dests.length; i++) {
      const dest = dests[i]!
      const { ramp, weight } = dest
      if (ramp === null || weight === 0) continue
      const share = ramp.share(nowMs)
      const part = (share * weight) / (share < 1 ? ramped : whole)
      if (part >= 1 && share >= 1) dest.ramp = null
      else ramp.credit = Math.max(-1, Math.min(CREDIT_MAX, ramp.credit + part))
      dest.heldBack = dest.ramp !== null && ramp.credit < 1
      if (dest.heldBack) ramp.heldMs = nowMs
    }
  }

  /** False when nobody is held back. */
  #admitRichest(): boolean {
    const dests = this.#dests
    let richest: Dest | null = null
    for (let i = 0; i < dests.length; i++) {
      const dest = dests[i]!
      if (!dest.heldBack || dest.weight === 0) continue
      if (richest === null || dest.ramp!.credit > richest.ramp!.credit) richest = dest
    }
    if (richest === null) return false
    richest.heldBack = false
    return true
  }

  #settle(chosen: Dest | null, nowMs: number): void {
    const dests = this.#dests
    this.isOver = true
    for (let i = 0; i < dests.length; i++) {
      const dest = dests[i]!
      const { ramp } = dest
      if (ramp === null) continue
      this.isOver = false
      if (dest === chosen) ramp.credit -= 1
      // Not that a scheduler prefers another once: counts of active connections go up and down.
      if (ramp.share(nowMs) >= 1 && nowMs - ramp.heldMs >= ramp.durationMs) dest.ramp = null
      dest.heldBack = false
    }
  }
}
