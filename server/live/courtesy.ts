/**
 * Packets before long lists. To tell a million connections takes seconds of a core. Where packets
 * leave no core idle, whatever the list takes is missing to them, or to the kernel's receiving; so
 * whoever makes a long list rests in between. At all other times nobody does.
 */
import { cpus } from 'node:os'
import { performance } from 'node:perf_hooks'
import { setImmediate } from 'node:timers'
import * as loop from '../../dataplane/shared/loop-record.js'

/** Work that is worth a rest: a timer is not more exact than this. */
const TURN_MS = 1
/** As multiples of the work before. */
const RESTS = 4
const REST_MAX_MS = 500
/** How long a look at the machine holds; its idle time is counted in ticks of 10 ms. */
const LOOK_MS = 200
/** What happened before that says nothing of now. */
const FORGET_MS = 1000
/** Of a core: less than this counts as none. */
const IDLE_CORES = 0.2
/** Of a worker's time that packets take at least. Lists that rob the sender make it less than all. */
const BUSY = 0.4

/** Milliseconds, each from whenever its own clock began. */
export interface Times {
  now: number
  /** That this thread was not waiting for events. */
  active: number
  /** That cores were idle, over all of them. */
  idle: () => number
}

export interface CourtesyOptions {
  /** Loop records of all workers, `dataplane/shared/loop-record.ts`. */
  loops: readonly SharedArrayBuffer[]
  times?: () => Times
  /** Calls `work` after so long; after others had their turn when that is 0. */
  after?: (ms: number, work: () => void) => void
}

/** Told what to do when it is time for the next part. */
export type Rest = (next: () => void) => void

export class Courtesy {
  readonly #loops: readonly Float64Array[]
  readonly #times: () => Times
  readonly #after: NonNullable<CourtesyOptions['after']>
  /** For a list whose parts are requests of their own. */
  readonly betweenPages: Rest
  #look = { now: -Infinity, idle: 0, busy: [] as number[] }
  #scarce = false

  constructor({ loops, times = ownTimes, after = later }: CourtesyOptions) {
    this.#loops = loops.map(each => new Float64Array(each))
    this.#times = times
    this.#after = after
    this.betweenPages = this.begin()
  }

  /** One for each long piece of work: called between its parts. */
  begin(): Rest {
    let mark = this.#times()
    return next => {
      const times = this.#times()
      const worked = times.active - mark.active
      const isOld = times.now - mark.now > FORGET_MS
      if (worked < TURN_MS && !isOld) return this.#after(0, next)
      mark = times
      const rests = !isOld && this.#isScarce(times)
      this.#after(rests ? Math.min(REST_MAX_MS, worked * RESTS) : 0, next)
    }
  }

  /** Whether packets come and no core is idle, by a look not older than `LOOK_MS`. */
  #isScarce(times: Times): boolean {
    const before = this.#look
    const tookMs = times.now - before.now
    if (tookMs < LOOK_MS) return this.#scarce
    const idle = times.idle()
    const busy = this.#loops.map(words => words[loop.BUSY_MS]!)
    this.#look = { now: times.now, idle, busy }
    this.#scarce =
      tookMs < FORGET_MS &&
      idle - before.idle < IDLE_CORES * tookMs &&
      busy.some((ms, i) => ms - before.busy[i]! > BUSY * tookMs)
    return this.#scarce
  }
}

const ownTimes = (): Times => ({
  now: performance.now(),
  active: performance.eventLoopUtilization().active,
  idle: () => cpus().reduce((sum, { times }) => sum + times.idle, 0),
})

function later(ms: number, work: () => void): void {
  if (ms === 0) setImmediate(work)
  else setTimeout(work, ms)
}
