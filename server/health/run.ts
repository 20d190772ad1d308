/**
 * One run of a check while it goes on: its deadline, its transcript and its end. A run ends exactly
 * once, whoever is first: the probe's verdict, the total deadline (a peer that drips an octet now
 * and then gains nothing by it) or being taken back. Then everything that the probe opened is closed.
 */
import { oneLine, printable } from './printable.js'
import type { FailureReason, RunResult, TranscriptStep } from './run-result.js'
import type { Timers } from './timers.js'

/** Where a probe goes. */
export interface ProbeTarget {
  service: string
  server: string
  address: string
  port: number
  /** Of the real server under test: the target, unless it is asked through the service. */
  serverAddress: string
  serverPort: number
}

export interface RunOptions {
  target: ProbeTarget
  timeoutMs: number
  /** Null leaves it to the host. */
  sourceAddress: string | null
  timers: Timers
  /** Wall clock, for labels only. */
  wallClock: () => Date
  done: (result: RunResult) => void
}

const STEPS_MAX = 40
const DETAIL_MAX = 300

export class Run {
  readonly target: ProbeTarget
  /** Null and 0 leave it to the host; a probe through the service is given both. */
  sourceAddress: string | null
  sourcePort = 0
  readonly timeoutMs: number
  readonly warnings: string[] = []
  readonly wallClock: () => Date
  /** What is being waited for, for the sentence of a timeout: `the connection`. */
  waitingFor = 'the start'
  readonly #timers: Timers
  readonly #done: RunOptions['done']
  readonly #startedAt: Date
  readonly #beginMs: number
  readonly #cancelDeadline: () => void
  readonly #steps: TranscriptStep[] = []
  readonly #cleanups: (() => void)[] = []
  #ended = false

  constructor(options: RunOptions) {
    this.target = options.target
    this.sourceAddress = options.sourceAddress
    this.timeoutMs = options.timeoutMs
    this.wallClock = options.wallClock
    this.#timers = options.timers
    this.#done = options.done
    this.#startedAt = options.wallClock()
    this.#beginMs = options.timers.now()
    this.#cancelDeadline = options.timers.after(options.timeoutMs, () => this.#late())
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Adds a line to the transcript; with octets, how many there were and the first of them. */
  note(step: TranscriptStep['step'], detail: string, octets?: Uint8Array): void {
    if (this.#ended || this.#steps.length >= STEPS_MAX) return
    const line: TranscriptStep = { atMs: this.#elapsedMs(), step, detail: bounded(detail) }
    if (octets !== undefined) {
      line.octets = octets.length
      line.excerpt = printable(octets)
    }
    this.#steps.push(line)
  }

  /** Called once at the end of the run, whatever it is; at once when that has come. */
  onEnd(cleanup: () => void): void {
    if (this.#ended) cleanup()
    else this.#cleanups.push(cleanup)
  }

  /** Something to do later in this run, if it has not ended by then. */
  after(delayMs: number, action: () => void): void {
    this.onEnd(this.#timers.after(delayMs, action))
  }

  succeed(detail: string): void {
    this.#end('success', null, detail)
  }

  fail(reason: FailureReason, detail: string): void {
    this.#end('failure', reason, detail)
  }

  /** Ends it without a result: its check is gone. */
  abandon(): void {
    if (this.#ended) return
    this.#ended = true
    this.#cleanUp()
  }

  #late(): void {
    this.fail(
      'timeout',
      `No end within ${this.timeoutMs} ms, while waiting for ${this.waitingFor}.`,
    )
  }

  #end(outcome: RunResult['outcome'], reason: FailureReason | null, detail: string): void {
    if (this.#ended) return
    this.note('judge', detail)
    this.#ended = true
    this.#cleanUp()
    this.#done({
      ...{ outcome, reason, detail: bounded(detail), warnings: this.warnings },
      startedAt: this.#startedAt.toISOString(),
      durationMs: this.#elapsedMs(),
      transcript: this.#steps,
    })
  }

  #cleanUp(): void {
    this.#cancelDeadline()
    for (const cleanup of this.#cleanups.splice(0)) cleanup()
  }

  #elapsedMs(): number {
    return Math.round((this.#timers.now() - this.#beginMs) * 1000) / 1000
  }
}

const bounded = (detail: string) => oneLine(detail, DETAIL_MAX)
