/**
 * Runs the checks of all servers. Each check has its own timer and its own run, and nothing is
 * shared but the number of runs under way (slots.ts), so that a target that hangs holds nobody.
 */
import type { CheckedServer, CheckState } from './check-spec.js'
import { CheckLane, keyOf, type LaneTools } from './check-lane.js'
import type { Latencies } from './latencies.js'
import type { Report } from './probes/external.js'
import type { CheckHistory, CheckStatus, RunResult } from './run-result.js'

export interface CheckChange {
  service: string
  server: string
  check: string
  /** Null: the check is gone. */
  state: CheckState | null
  /** Wall clock, ISO 8601. */
  since: string
  /** The last result's sentence. */
  detail: string | null
  /** The last success came with a warning: of a certificate that is about to end. */
  warned: boolean
}

export interface NamedResult {
  check: string
  result: RunResult
}

export interface CheckRunnerOptions extends LaneTools {
  latencies: Latencies
  /** Called for every new check, with its initial state, and for whatever is news of one. */
  changed: (change: CheckChange) => void
}

interface Entry {
  subject: CheckedServer
  lanes: Map<string, CheckLane>
}

export class CheckRunner {
  readonly #options: CheckRunnerOptions
  readonly #servers = new Map<string, Entry>()

  constructor(options: CheckRunnerOptions) {
    this.#options = options
  }

  /** Adds a server or replaces what is known of it; checks that stay the same go on undisturbed. */
  set(subject: CheckedServer): void {
    const known = this.#servers.get(nameOf(subject))
    const entry: Entry = known ?? { subject, lanes: new Map<string, CheckLane>() }
    const moved = !sameTarget(entry.subject, subject)
    entry.subject = subject
    this.#servers.set(nameOf(subject), entry)
    const kept = new Set(subject.checks.map(({ name }) => name))
    for (const [name, lane] of entry.lanes) if (!kept.has(name)) this.#remove(entry, lane)
    for (const check of subject.checks) {
      const lane = entry.lanes.get(check.name)
      if (lane === undefined) this.#add(entry, check)
      else if (moved || JSON.stringify(lane.spec) !== JSON.stringify(check.spec))
        lane.replace(subject, check.spec)
    }
  }

  delete(service: string, server: string): void {
    const entry = this.#servers.get(nameOf({ service, server }))
    if (entry === undefined) return
    for (const lane of entry.lanes.values()) this.#remove(entry, lane)
    this.#servers.delete(nameOf({ service, server }))
  }

  /** Null when there is no such server. */
  statuses(service: string, server: string): CheckStatus[] | null {
    return this.#lanes(service, server)?.map(lane => lane.status()) ?? null
  }

  history(service: string, server: string): CheckHistory[] | null {
    return this.#lanes(service, server)?.map(lane => lane.history()) ?? null
  }

  /** Runs all checks of a server, or one, now and beside the schedule. Null: there is none such. */
  async runNow(service: string, server: string, check?: string): Promise<NamedResult[] | null> {
    const all = this.#lanes(service, server)
    const lanes = check === undefined ? all : all?.filter(({ name }) => name === check)
    if (lanes === undefined || (check !== undefined && lanes.length === 0)) return null
    return Promise.all(lanes.map(async lane => ({ check: lane.name, result: await lane.runNow() })))
  }

  /** Input from outside for an `external` check, which is looked at immediately. */
  report(service: string, server: string, check: string, report: Report): boolean {
    const entry = this.#servers.get(nameOf({ service, server }))
    const lane = entry?.lanes.get(check)
    if (entry === undefined || lane?.spec.kind !== 'external') return false
    this.#options.reports.set(keyOf(entry.subject, check), report)
    lane.hurry()
    return true
  }

  close(): void {
    for (const { lanes } of this.#servers.values()) for (const lane of lanes.values()) lane.close()
    this.#servers.clear()
  }

  #lanes(service: string, server: string): CheckLane[] | undefined {
    const entry = this.#servers.get(nameOf({ service, server }))
    return entry && [...entry.lanes.values()]
  }

  #add(entry: Entry, check: CheckedServer['checks'][number]): void {
    const lane = new CheckLane(this.#options, entry.subject, check, (lane, result, news) => {
      this.#options.latencies.add(lane.spec.kind, result.outcome, result.durationMs)
      if (news) this.#tell(entry, lane)
    })
    entry.lanes.set(check.name, lane)
    this.#tell(entry, lane)
  }

  #remove(entry: Entry, lane: CheckLane): void {
    lane.close()
    entry.lanes.delete(lane.name)
    const { service, server } = entry.subject
    const since = this.#options.wallClock().toISOString()
    const gone = { state: null, since, detail: null, warned: false }
    this.#options.changed({ service, server, check: lane.name, ...gone })
  }

  #tell({ subject: { service, server } }: Entry, lane: CheckLane): void {
    const { state, since, last } = lane.status()
    const detail = last?.detail ?? null
    const { name: check, warned } = lane
    this.#options.changed({ service, server, check, state, since, detail, warned })
  }
}

const nameOf = ({ service, server }: Pick<CheckedServer, 'service' | 'server'>) =>
  JSON.stringify([service, server])

const sameTarget = (a: CheckedServer, b: CheckedServer) =>
  a.address === b.address &&
  a.port === b.port &&
  a.protocol === b.protocol &&
  JSON.stringify(a.way) === JSON.stringify(b.way) &&
  JSON.stringify(a.vip) === JSON.stringify(b.vip)
