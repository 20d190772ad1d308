/** Counts observations in buckets, one series for each set of labels. */
import { type Exposition, type Family } from './exposition.js'

/** From half a millisecond to ten seconds: requests, transactions, checks. */
export const LATENCY_SECONDS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
]
/** Series that are told apart; more are counted together, so that nobody fills the memory. */
const SERIES_MAX = 5000

export interface Series {
  labels: Readonly<Record<string, string>>
  /** One for each bound, and one for what is above all of them. */
  counts: Float64Array
  sum: number
}

export class Histogram {
  readonly family: Family
  readonly bounds: readonly number[]
  readonly #series = new Map<string, Series>()

  constructor(name: string, help: string, bounds: readonly number[] = LATENCY_SECONDS) {
    this.family = { name, type: 'histogram', help }
    this.bounds = bounds
  }

  /** `key` tells series apart; `labels` are those of the series when it is new. */
  observe(value: number, key = '', labels: Readonly<Record<string, string>> = {}): void {
    const series = this.#series.get(key) ?? this.#add(key, labels)
    const { bounds } = this
    let i = 0
    while (i < bounds.length && value > bounds[i]!) i++
    series.counts[i]!++
    series.sum += value
  }

  /** Tells of a series before anything was observed. */
  begin(key = '', labels: Readonly<Record<string, string>> = {}): this {
    if (!this.#series.has(key)) this.#add(key, labels)
    return this
  }

  /** A series that is over: its object is gone. */
  forget(key: string): void {
    this.#series.delete(key)
  }

  collect = (out: Exposition): void => {
    out.family(this.family)
    for (const { labels, ...series } of this.#series.values())
      out.histogram(this.family, { bounds: this.bounds, ...series }, labels)
  }

  #add(key: string, labels: Readonly<Record<string, string>>): Series {
    const full = this.#series.size >= SERIES_MAX
    const name = full ? ' others' : key
    const known = this.#series.get(name)
    if (known !== undefined) return known
    const others = Object.fromEntries(Object.keys(labels).map(label => [label, 'other']))
    const made = {
      labels: full ? others : labels,
      counts: new Float64Array(this.bounds.length + 1),
      sum: 0,
    }
    this.#series.set(name, made)
    return made
  }
}
