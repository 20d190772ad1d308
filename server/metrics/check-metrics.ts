/** How long health checks take, and what each has found. */
import type { CheckedServer, CheckSpec, CheckState } from '../health/check-spec.js'
import type { Loss } from '../health/health-engine.js'
import { LATENCY_BUCKETS_S, type LatencyHistogram } from '../health/latencies.js'
import { labelsText, type Exposition, type Family } from './exposition.js'
import { textOf, type Text } from './octet-writer.js'

export interface CheckMetricsOptions {
  histograms: () => readonly (LatencyHistogram & { via: CheckSpec['via'] })[]
  losses: () => readonly Loss[]
  /** All that is checked, with the states of the checks by their names. */
  checked: () => Iterable<{
    subject: CheckedServer
    states: ReadonlyMap<string, CheckState>
    warned: ReadonlySet<string>
  }>
}

const DURATIONS: Family = {
  name: 'sluice_health_check_duration_seconds',
  type: 'histogram',
  help: 'Runs of health checks, by what came of them.',
}
const COUNTS: Family = {
  name: 'sluice_health_checks',
  type: 'gauge',
  help: 'Health checks of real servers, by the state that they have found.',
}
const UP: Family = {
  name: 'sluice_health_check_up',
  type: 'gauge',
  help: '1 where a check has found its real server up, 0 down; absent while it does not know.',
}
const WARNED: Family = {
  name: 'sluice_health_check_warned',
  type: 'gauge',
  help: '1 where the last success of a check warned: of a certificate that is about to end.',
}
const LOSSES: Family = {
  name: 'sluice_health_check_threads_lost',
  type: 'counter',
  help: 'Threads of health checks that ended or hung and were started again.',
}
const STATES: readonly CheckState[] = ['up', 'down', 'unknown']

export class CheckMetrics {
  readonly #o: CheckMetricsOptions
  /** In the order of the checks. Servers are replaced, never changed. */
  readonly #labels = new WeakMap<CheckedServer, Text[]>()

  constructor(options: CheckMetricsOptions) {
    this.#o = options
  }

  collect = (out: Exposition): void => {
    this.#durations(out)
    const counts = { up: 0, down: 0, unknown: 0 }
    const sample = textOf(out.family(UP))
    const warnings: Text[] = []
    for (const { subject, states, warned } of this.#o.checked()) {
      const labels = this.#labelsOf(subject)
      subject.checks.forEach(({ name }, i) => {
        const state = states.get(name) ?? 'unknown'
        counts[state]++
        if (state !== 'unknown') out.sample(sample, labels[i]!, state === 'up' ? 1 : 0)
        if (warned.has(name)) warnings.push(labels[i]!)
      })
    }
    const warning = textOf(out.family(WARNED))
    for (const labels of warnings) out.sample(warning, labels, 1)
    out.each(
      COUNTS,
      STATES.map(state => [labelsText({ state }), counts[state]]),
    )
    out.each(
      LOSSES,
      this.#o.losses().map(({ via, reason, count }) => [labelsText({ via, reason }), count]),
    )
  }

  #durations(out: Exposition): void {
    out.family(DURATIONS)
    for (const { kind, via, outcome, buckets, count, sumS: sum } of this.#o.histograms()) {
      const counts = [...buckets, count].map((total, i) => total - (buckets[i - 1] ?? 0))
      out.histogram(DURATIONS, { bounds: LATENCY_BUCKETS_S, counts, sum }, { kind, via, outcome })
    }
  }

  #labelsOf(subject: CheckedServer): Text[] {
    const known = this.#labels.get(subject)
    if (known !== undefined) return known
    const { service, server, checks } = subject
    const made = checks.map(({ name, spec: { kind, via } }) => {
      const labels = { service, real_server: server, check: name, kind, via }
      return textOf(`${labelsText(labels)} `)
    })
    this.#labels.set(subject, made)
    return made
  }
}
