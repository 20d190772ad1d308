/** One check of one server in the runner: its schedule, its run under way, its last results. */
import type { CheckedServer, CheckSpec, NamedCheck } from './check-spec.js'
import { Checker } from './checker.js'
import { startProbe, type ProbeTools } from './probes/index.js'
import { Run, type ProbeTarget } from './run.js'
import type { CheckHistory, CheckStatus, RunResult } from './run-result.js'
import type { ServicePath } from './service-path.js'
import type { Slots } from './slots.js'
import { faultOfSource } from './target.js'
import type { Timers } from './timers.js'

/** Failed runs whose transcripts are kept, each check. */
export const FAILURES_KEPT = 5

export interface LaneTools extends ProbeTools {
  timers: Timers
  wallClock: () => Date
  random: () => number
  slots: Slots
  /** Null: probes through services cannot be had here. */
  servicePath: ServicePath | null
}

/** Told of each scheduled run; `news`: the state, the reason of being down or being warned is another. */
export type RanListener = (lane: CheckLane, result: RunResult, news: boolean) => void

export class CheckLane {
  readonly name: string
  readonly #key: string
  readonly #tools: LaneTools
  readonly #checker: Checker
  readonly #ran: RanListener
  readonly #failures: RunResult[] = []
  #subject: CheckedServer
  #spec: CheckSpec
  #since: string
  #last: RunResult | null = null
  #runs = 0
  #failed = 0
  #warned = false
  #run: Run | null = null
  #cancel: () => void = () => undefined
  #closed = false

  constructor(
    tools: LaneTools,
    subject: CheckedServer,
    { name, spec, lastKnown }: NamedCheck,
    ran: RanListener,
  ) {
    this.name = name
    this.#key = keyOf(subject, name)
    this.#tools = tools
    this.#ran = ran
    this.#subject = subject
    this.#spec = spec
    this.#since = tools.wallClock().toISOString()
    this.#checker = new Checker(spec, lastKnown, tools.random)
    this.#schedule(this.#checker.firstDelayMs())
  }

  get spec(): CheckSpec {
    return this.#spec
  }

  /** Whether the last success came with a warning. */
  get warned(): boolean {
    return this.#warned
  }

  status(): CheckStatus {
    return {
      ...{ name: this.name, state: this.#checker.state, since: this.#since },
      ...{ contrary: this.#checker.contrary, runs: this.#runs, failures: this.#failed },
      last: this.#last && withoutTranscript(this.#last),
    }
  }

  history(): CheckHistory {
    return { ...this.status(), last: this.#last, lastFailures: [...this.#failures] }
  }

  /** The same check, now described differently; runs anew at once, and forgets no state. */
  replace(subject: CheckedServer, spec: CheckSpec): void {
    this.#subject = subject
    this.#spec = spec
    this.#checker.adopt(spec)
    this.#cancel()
    this.#run?.abandon()
    this.#schedule(this.#checker.firstDelayMs())
  }

  /** Runs the next time now. */
  hurry(): void {
    if (this.#run !== null) return
    this.#cancel()
    this.#schedule(0)
  }

  /** One run beside the schedule, which neither counts nor waits. */
  runNow(): Promise<RunResult> {
    return new Promise(resolve => this.#start(resolve))
  }

  close(): void {
    this.#closed = true
    this.#cancel()
    this.#run?.abandon()
    this.#tools.reports.delete(this.#key)
  }

  #schedule(delayMs: number): void {
    this.#cancel = this.#tools.timers.after(delayMs, () => this.#begin())
  }

  #begin(): void {
    const { slots, timers } = this.#tools
    const suspect = this.#last?.reason === 'timeout'
    let started = false
    const cancel = slots.take(suspect, () => {
      started = true
      const startMs = timers.now()
      const run = this.#start(result => {
        this.#run = null
        if (!this.#closed) this.#take(result, startMs)
      })
      // Some have an end before they are known here.
      if (!run.ended) this.#run = run
      // Also of a run that is abandoned.
      run.onEnd(() => slots.release(suspect))
    })
    // A run may have come to its end in there, and what comes after it is waited for already.
    if (!started) this.#cancel = cancel
  }

  #take(result: RunResult, startMs: number): void {
    const reasonBefore = this.#last?.reason
    const warnedBefore = this.#warned
    if (result.outcome === 'success') this.#warned = result.warnings.length > 0
    this.#last = result
    this.#runs++
    if (result.outcome === 'failure') {
      this.#failed++
      this.#failures.push(result)
      if (this.#failures.length > FAILURES_KEPT) this.#failures.shift()
    }
    const changed = this.#checker.take(result.outcome)
    if (changed) this.#since = this.#tools.wallClock().toISOString()
    const nowMs = this.#tools.timers.now()
    this.#schedule(Math.max(0, this.#checker.nextStartMs(startMs, nowMs) - nowMs))
    const failsOtherwise = result.outcome === 'failure' && result.reason !== reasonBefore
    const isDownOtherwise = failsOtherwise && this.#checker.state === 'down'
    this.#ran(this, result, changed || isDownOtherwise || this.#warned !== warnedBefore)
  }

  #start(done: (result: RunResult) => void): Run {
    const { timers, wallClock, servicePath } = this.#tools
    const spec = this.#spec
    const { timeoutMs, sourceAddress } = spec
    const target = targetOf(this.#subject, spec)
    const run = new Run({ target, timeoutMs, sourceAddress, timers, wallClock, done })
    const fault = spec.via === 'direct' ? faultOfSource(sourceAddress, target.address) : null
    if (fault !== null) run.fail('unsupported', fault)
    else if (spec.via === 'direct') startProbe(spec, this.#tools, this.#key, run)
    else if (servicePath === null || this.#subject.vip === null)
      run.fail('unsupported', 'The service cannot be probed through the dataplane here.')
    else
      servicePath.open(this.#subject, spec, run, () =>
        startProbe(spec, this.#tools, this.#key, run),
      )
    return run
  }
}

function withoutTranscript(result: RunResult): Omit<RunResult, 'transcript'> {
  const { outcome, reason, detail, warnings, startedAt, durationMs } = result
  return { outcome, reason, detail, warnings, startedAt, durationMs }
}

/** A check's name in the book of reports. */
export const keyOf = ({ service, server }: CheckedServer, check: string): string =>
  JSON.stringify([service, server, check])

function targetOf(subject: CheckedServer, spec: CheckSpec): ProbeTarget {
  const { service, server, address: serverAddress, port: serverPort } = subject
  const own = { address: spec.targetAddress ?? serverAddress, port: spec.targetPort ?? serverPort }
  const target = spec.via === 'service' && subject.vip !== null ? subject.vip : own
  return { service, server, ...target, serverAddress, serverPort }
}
