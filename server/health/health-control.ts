/**
 * Keeps the engine of checks at what the configuration says, one difference after the other, and the
 * book of health at what the engine finds. Whoever asks for checks, runs them now or reports on a
 * server comes here.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Configuration } from '../change/draft.js'
import { Problem } from '../errors.js'
import type { ChangeSet } from '../repo/configuration.js'
import type { ServiceRecord } from '../repo/records.js'
import { Buckets, retryAfter } from '../http/buckets.js'
import { serverOf, serviceOf } from '../change/service-plans.js'
import type { NamedResult } from './check-runner.js'
import type { CheckedServer, CheckSpec, CheckState } from './check-spec.js'
import { historyViews, resultView } from './check-views.js'
import { checkedServersOf } from './checked-servers.js'
import type { HealthBook } from './health-book.js'
import type { Loss, ServerVerdict } from './health-engine.js'
import type { LatencyHistogram } from './latencies.js'
import type { LastStates } from './last-states.js'
import type { Report } from './probes/external.js'
import type { CheckHistory } from './run-result.js'
import { verdictOf } from './verdict.js'

/** What runs the checks; `HealthEngine` does. */
export interface CheckEngine {
  listen(listener: (verdict: ServerVerdict) => void): () => void
  set(subject: CheckedServer): void
  delete(service: string, server: string): void
  report(service: string, server: string, check: string, report: Report): boolean
  runNow(service: string, server: string, check?: string): Promise<NamedResult[] | null>
  history(service: string, server: string): Promise<CheckHistory[] | null>
  losses(): readonly Loss[]
  histograms(): (LatencyHistogram & { via: CheckSpec['via'] })[]
  close(): Promise<void>
}

export interface HealthControlOptions {
  configuration: Configuration
  engine: CheckEngine
  book: HealthBook
  states: LastStates
  now: () => Date
  /** Monotonic milliseconds. */
  nowMs?: () => number
}

/** Of one check on demand: each may take a socket and a target's attention for a minute. */
const RUNS = { burst: 3, periodMs: 1000 }

interface Entry {
  subject: CheckedServer
  states: Map<string, CheckState>
  warned: ReadonlySet<string>
}

export class HealthControl {
  readonly #o: HealthControlOptions
  /** By service, then by server. */
  readonly #services = new Map<string, Map<string, Entry>>()
  /** Services by the checks that they ask for by name. */
  readonly #users = new Map<string, Set<string>>()
  /** Servers in the book that are not checked yet. */
  readonly #foreseen: { service: string; server: string }[] = []
  readonly #runs: Buckets
  readonly #asked = new Map<string, ReadonlySet<string>>()

  constructor(options: HealthControlOptions) {
    this.#o = options
    this.#runs = new Buckets({ ...RUNS, ...(options.nowMs ? { nowMs: options.nowMs } : {}) })
    options.engine.listen(verdict => this.#hear(verdict))
  }

  /** Everything is in the state it begins in when this returns; checks follow. */
  start(): void {
    for (const service of this.#o.configuration.services()) this.#follow(service.name, service)
    const asked = (service: string, server: string) => this.#services.get(service)?.get(server)
    this.#o.states.retain(({ service, server, name }) => {
      const checks = asked(service, server)?.subject.checks ?? []
      return checks.some(check => check.name === name)
    })
  }

  async stop(): Promise<void> {
    await this.#o.engine.close()
    this.#o.states.flush()
  }

  /** Before a change: a server that is new is in the state it begins in before it takes anything. */
  foresee({ services = [] }: ChangeSet): void {
    for (const { after } of services)
      for (const subject of after === null ? [] : this.#subjectsOf(after)) {
        const { service, server } = subject
        if (this.#o.book.get(service, server) !== undefined) continue
        this.#foreseen.push({ service, server })
        this.#write(subject, new Map())
      }
  }

  /** After a change, or one that failed: brings what it is about to what is stored. */
  follow({ services = [], healthChecks = [], settings }: ChangeSet): void {
    const names = new Set(services.map(({ before, after }) => (before ?? after)!.name))
    for (const { before, after } of healthChecks)
      for (const name of this.#users.get((before ?? after)!.name) ?? []) names.add(name)
    if (settings !== undefined) for (const name of this.#services.keys()) names.add(name)
    for (const name of names) this.#follow(name, this.#o.configuration.service(name))
    for (const { service, server } of this.#foreseen.splice(0))
      // It did not come to be.
      if (this.#services.get(service)?.has(server) !== true) this.#o.book.delete(service, server)
  }

  /** Every server that has checks, and what these have found. */
  *checked(): Iterable<Readonly<Entry>> {
    for (const servers of this.#services.values()) yield* servers.values()
  }

  /** All that is known of the checks of a real server. Throws (Problem) when it is not there. */
  async view(service: string, server: string) {
    const entry = this.#entryOf(service, server)
    const histories =
      entry === undefined ? null : await this.#asking(() => this.#o.engine.history(service, server))
    return {
      health: this.#o.book.get(service, server) ?? null,
      required: entry?.subject.required ?? 0,
      items: entry === undefined ? [] : historyViews(entry.subject, histories ?? []),
    }
  }

  /** Runs the checks of a server, or one of them, beside their schedule. */
  async runNow(service: string, server: string, check?: string) {
    const entry = this.#entryOf(service, server)
    if (entry === undefined) throw notChecked(service, server)
    const named = check === undefined ? entry.subject.checks : [this.#named(entry, check)]
    this.#mayRun(named.map(({ name }) => ({ name, key: `${service}/${server}/${name}` })))
    const results = await this.#asking(() => this.#o.engine.runNow(service, server, check))
    if (results === null) throw unavailable('They are being started.')
    return results.map(resultView)
  }

  /** All of them, or none. */
  #mayRun(checks: readonly { name: string; key: string }[]): void {
    for (const { name, key } of checks) {
      const waitMs = this.#runs.waitMs(key)
      if (waitMs === 0) continue
      const detail = `Check '${name}' was run on demand just now; nothing was run.`
      throw new Problem('CHECK_RUN_TOO_OFTEN', detail, { headers: retryAfter(waitMs) })
    }
    for (const { key } of checks) this.#runs.note(key)
  }

  /** Takes what somebody outside says of a server. */
  report(service: string, server: string, check: string, report: Report): void {
    const entry = this.#entryOf(service, server)
    if (entry === undefined) throw notChecked(service, server)
    const { kind } = this.#named(entry, check).spec
    if (kind !== 'external') {
      const detail = `'${check}' is a check of the kind ${kind}: it finds out by itself.`
      throw new Problem('CHECK_NOT_EXTERNAL', detail)
    }
    this.#o.engine.report(service, server, check, report)
  }

  #entryOf(service: string, server: string): Entry | undefined {
    serverOf(serviceOf(this.#o.configuration, service), server)
    return this.#services.get(service)?.get(server)
  }

  #named({ subject }: Entry, name: string) {
    const found = subject.checks.find(check => check.name === name)
    if (found !== undefined) return found
    const names = subject.checks.map(check => check.name).join(', ')
    const detail = `Real server '${subject.server}' has no check '${name}'; it has ${names}.`
    throw new Problem('HEALTH_CHECK_NOT_FOUND', detail)
  }

  async #asking<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (cause) {
      throw unavailable((cause as Error).message, cause)
    }
  }

  #follow(name: string, service: ServiceRecord | null): void {
    const known = this.#services.get(name) ?? new Map<string, Entry>()
    const wanted = new Map(
      (service === null ? [] : this.#subjectsOf(service)).map(each => [each.server, each]),
    )
    for (const [server, entry] of known) if (!wanted.has(server)) this.#remove(known, entry)
    for (const subject of wanted.values()) this.#set(known, subject)
    if (known.size === 0) this.#services.delete(name)
    else this.#services.set(name, known)
    this.#index(name, service)
  }

  #subjectsOf(service: ServiceRecord): CheckedServer[] {
    const { configuration, states } = this.#o
    return checkedServersOf(configuration, service, (server, check) =>
      states.get(service.name, server, check),
    )
  }

  #set(known: Map<string, Entry>, subject: CheckedServer): void {
    const { engine } = this.#o
    const entry = known.get(subject.server)
    if (entry !== undefined && isSame(entry.subject, subject)) return
    const states = entry?.states ?? new Map<string, CheckState>()
    known.set(subject.server, { subject, states, warned: entry?.warned ?? new Set() })
    this.#forgetChecks(entry?.subject, subject)
    this.#write(subject, states)
    engine.set(subject)
    for (const check of subject.checks)
      if (check.spec.kind === 'external' && !states.has(check.name)) this.#seed(subject, check)
  }

  /** Nobody reports anew because Sluice began anew: what it begins in is what counts. */
  #seed({ service, server }: CheckedServer, check: CheckedServer['checks'][number]): void {
    const state = initialOf(check)
    if (state === 'unknown') return
    const detail = 'Nothing has been reported since Sluice began to listen.'
    this.#o.engine.report(service, server, check.name, { state, detail })
  }

  #remove(known: Map<string, Entry>, { subject }: Entry): void {
    const { service, server } = subject
    known.delete(server)
    this.#o.engine.delete(service, server)
    this.#o.book.delete(service, server)
    this.#forgetChecks(subject, null)
  }

  #forgetChecks(before: CheckedServer | undefined, after: CheckedServer | null): void {
    const kept = new Set(after?.checks.map(({ name }) => name))
    for (const { name } of before?.checks ?? [])
      if (!kept.has(name)) this.#o.states.delete(before!.service, before!.server, name)
  }

  /** What its checks come to by the states that are known, or that they begin in. */
  #write(subject: CheckedServer, states: ReadonlyMap<string, CheckState>): void {
    const { service, server, checks, required } = subject
    const all = checks.map(check => states.get(check.name) ?? initialOf(check))
    const detail = this.#o.book.get(service, server)?.detail ?? null
    const since = this.#o.now().toISOString()
    this.#o.book.set(service, server, { state: verdictOf(all, required), since, detail })
  }

  #hear({ service, server, health, states, warned }: ServerVerdict): void {
    const entry = this.#services.get(service)?.get(server)
    // Of a server that has gone since.
    if (entry === undefined) return
    entry.states = new Map(states)
    entry.warned = warned
    for (const [name, state] of states)
      if (state !== 'unknown') this.#o.states.set(service, server, name, state)
    this.#o.book.set(service, server, health)
  }

  #index(name: string, service: ServiceRecord | null): void {
    const asked = new Set([
      ...(service?.config.healthChecks?.named ?? []),
      ...(service?.servers ?? []).flatMap(({ config }) => config.healthChecks?.named ?? []),
    ])
    for (const check of this.#asked.get(name) ?? [])
      if (!asked.has(check)) this.#users.get(check)?.delete(name)
    for (const check of asked)
      this.#users.set(check, (this.#users.get(check) ?? new Set()).add(name))
    if (asked.size === 0) this.#asked.delete(name)
    else this.#asked.set(name, asked)
  }
}

const initialOf = ({ spec, lastKnown }: CheckedServer['checks'][number]): CheckState =>
  spec.initialState === 'lastKnown' ? (lastKnown ?? 'unknown') : spec.initialState

/** What was known when it began is no part of what it is. */
const isSame = (a: CheckedServer, b: CheckedServer): boolean =>
  isDeepStrictEqual(withoutKnown(a), withoutKnown(b))

const withoutKnown = ({ checks, ...rest }: CheckedServer) => ({
  ...rest,
  checks: checks.map(({ name, spec }) => ({ name, spec })),
})

const notChecked = (service: string, server: string) =>
  new Problem('NOT_CHECKED', `Nothing checks the real server '${server}' of '${service}'.`)

const unavailable = (detail: string, cause?: unknown) =>
  new Problem('HEALTH_CHECKS_UNAVAILABLE', detail, { cause, headers: { 'retry-after': '1' } })
