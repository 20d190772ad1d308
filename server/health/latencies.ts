/**
 * How long checks take, counted by kind and outcome in memory that threads share: whoever runs
 * checks writes, whoever shows metrics reads without asking. Buckets are cumulative only when read.
 */
import { CHECK_KINDS, type CheckKind } from './check-spec.js'
import type { RunResult } from './run-result.js'

/** Upper bounds in seconds; one more bucket has no bound. */
export const LATENCY_BUCKETS_S = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const
const OUTCOMES = ['success', 'failure'] as const

/** A row: buckets, the one without a bound, sum of seconds. */
const BUCKETS = LATENCY_BUCKETS_S.length + 1
const ROW = BUCKETS + 1

export interface LatencyHistogram {
  kind: CheckKind
  outcome: RunResult['outcome']
  /** As long as LATENCY_BUCKETS_S: runs that took at most so long. */
  buckets: number[]
  count: number
  sumS: number
}

export class Latencies {
  readonly #cells: Float64Array

  /** Over memory of `allocate`, or over its own. */
  constructor(memory = Latencies.allocate()) {
    this.#cells = new Float64Array(memory)
  }

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(CHECK_KINDS.length * OUTCOMES.length * ROW * 8)
  }

  add(kind: CheckKind, outcome: RunResult['outcome'], durationMs: number): void {
    const at = rowOf(kind, outcome)
    const seconds = durationMs / 1000
    let bucket = LATENCY_BUCKETS_S.findIndex(bound => seconds <= bound)
    if (bucket < 0) bucket = BUCKETS - 1
    this.#cells[at + bucket]!++
    this.#cells[at + BUCKETS]! += seconds
  }

  /** Of the kinds and outcomes that there were. */
  histograms(): LatencyHistogram[] {
    return CHECK_KINDS.flatMap(kind =>
      OUTCOMES.map(outcome => this.#histogram(kind, outcome)),
    ).filter(({ count }) => count > 0)
  }

  #histogram(kind: CheckKind, outcome: RunResult['outcome']): LatencyHistogram {
    const at = rowOf(kind, outcome)
    let count = 0
    const cumulative = [...this.#cells.subarray(at, at + BUCKETS)].map(each => (count += each))
    return {
      kind,
      outcome,
      buckets: cumulative.slice(0, -1),
      count,
      sumS: this.#cells[at + BUCKETS]!,
    }
  }
}

const rowOf = (kind: CheckKind, outcome: RunResult['outcome']) =>
  (CHECK_KINDS.indexOf(kind) * OUTCOMES.length + OUTCOMES.indexOf(outcome)) * ROW
