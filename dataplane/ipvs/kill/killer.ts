/**
 * Kills what a filter names, a few connections in each turn of the loop, so that a million of them
 * hold no packet up: two answers for each come back from the ends, and a turn takes as many frames.
 * Templates are done last, when nothing refers to them any more.
 */
import type { KillProgress, KillRequest } from '../../protocol.js'
import { AUXILIARY, TEMPLATE } from '../../shared/conn-record.js'
import { Counter } from '../../counters.js'
import type { Connections } from '../conn.js'
import { Filter, type Finder } from './filter.js'
import type { Tombstones } from './tombstones.js'

const KILLED_PER_TURN = 64
const RECORDS_PER_TURN = 8192
/** Results that are remembered: with several workers one is done before another. */
const KEPT_MAX = 64

interface Job extends KillProgress {
  filter: Filter
  reset: boolean
  dryRun: boolean
  /** Connections first, then templates and others that controlled some of them. */
  pass: 0 | 1
  cursor: number
}

export interface KillerOptions {
  conns: Connections
  finder: Finder
  tombstones: Tombstones
  counters: Float64Array
}

export class Killer {
  readonly #o: KillerOptions
  readonly #jobs = new Map<number, Job>()
  #open = 0

  constructor(options: KillerOptions) {
    this.#o = options
  }

  /** Whether it has work for the next turn. */
  get busy(): boolean {
    return this.#open > 0
  }

  /** Throws OpError for a filter that names what is not there. */
  start(id: number, { filter, reset, dryRun }: KillRequest): void {
    const { conns, finder } = this.#o
    for (const [old, job] of this.#jobs) {
      if (this.#jobs.size < KEPT_MAX) break
      if (job.done) this.#jobs.delete(old)
    }
    this.#jobs.set(id, {
      filter: new Filter(conns, finder, filter),
      ...{ reset, dryRun, pass: 0, cursor: AUXILIARY },
      ...{ known: true, done: false, connections: 0, templates: 0 },
    })
    this.#open++
  }

  progress(id: number): KillProgress {
    const job = this.#jobs.get(id)
    if (job === undefined) return { known: false, done: true, connections: 0, templates: 0 }
    const { known, done, connections, templates } = job
    return { known, done, connections, templates }
  }

  /** One turn's work. */
  step(): void {
    for (const job of this.#jobs.values()) {
      if (job.done) continue
      this.#advance(job)
      return
    }
  }

  #advance(job: Job): void {
    const { records } = this.#o.conns
    const end = Math.min(records.high, job.cursor + RECORDS_PER_TURN)
    let left = KILLED_PER_TURN
    let c = job.cursor
    for (; c < end && left > 0; c++) {
      if (!job.filter.accepts(c) || job.pass !== passOf(records.flags(c), records.nControl(c)))
        continue
      if (job.dryRun) this.#count(job, c)
      else {
        left--
        this.#end(job, c)
      }
    }
    job.cursor = c
    if (c < records.high) return
    if (job.pass === 0) {
      job.pass = 1
      job.cursor = AUXILIARY
    } else {
      job.done = true
      this.#open--
    }
  }

  #end(job: Job, c: number): void {
    const { conns, tombstones, counters } = this.#o
    this.#count(job, c)
    if ((conns.records.flags(c) & TEMPLATE) !== 0) {
      // One that others still hold on to is never found again.
      if (conns.records.nControl(c) > 0) conns.invalidateTemplate(c)
      else conns.remove(c)
    } else if (job.reset) tombstones.kill(c)
    else {
      counters[Counter.killed]!++
      conns.remove(c)
    }
  }

  #count(job: Job, c: number): void {
    if ((this.#o.conns.records.flags(c) & TEMPLATE) !== 0) job.templates++
    else job.connections++
  }
}

const passOf = (flags: number, nControl: number): 0 | 1 =>
  (flags & TEMPLATE) !== 0 || nControl > 0 ? 1 : 0
