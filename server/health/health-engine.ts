/**
 * Health checks as the rest of the server sees them: servers with checks go in, verdicts come out.
 * The checks run in a thread of their own, which is started again when it is lost and then goes on
 * from the states that were known.
 */
import type { Logger } from 'pino'
import type { CheckChange, NamedResult } from './check-runner.js'
import { openRawSocket } from '../host/raw-library.js'
import type { CheckedServer, CheckSpec, CheckState } from './check-spec.js'
import { withinNetwork } from './enter-network.js'
import type { ServerHealth } from './health-book.js'
import { HealthThread } from './health-thread.js'
import type { LossReason, ServiceGateway, StartHealthWorker } from './health-thread.js'
import type { LatencyHistogram } from './latencies.js'
import { RawPinger, type Pinger } from './pinger.js'
import type { Report } from './probes/external.js'
import type { CheckHistory, CheckStatus } from './run-result.js'
import { RawSctpAsker, type SctpAsker } from './sctp-asker.js'
import { systemTimers, type Timers } from './timers.js'
import { verdictOf } from './verdict.js'
import type { Questions } from './worker-messages.js'

export interface ServerVerdict {
  service: string
  server: string
  health: ServerHealth
  /** By the names of the checks. */
  states: ReadonlyMap<string, CheckState>
  /** Checks whose last success came with a warning. */
  warned: ReadonlySet<string>
}

export interface HealthEngineOptions {
  logger: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Folders of check commands and check files; null switches them off. */
  commandFolder: string | null
  fileFolder: string | null
  pinger?: Pinger & { close?(): void }
  sctpAsker?: SctpAsker & { close?(): void }
  /** Null or absent: checks `via: 'service'` fail and say so. */
  gateway?: ServiceGateway | null
  timers?: Timers
  /** Told of a thread that is gone. */
  lost?: (via: CheckSpec['via'], reason: LossReason) => void
  startWorker?: StartHealthWorker
}

/** How often a thread was lost, and how. */
export interface Loss {
  via: CheckSpec['via']
  reason: LossReason
  count: number
}

interface Entry {
  subject: CheckedServer
  changes: Map<string, CheckChange>
  health: ServerHealth | null
}

export class HealthEngine {
  readonly #servers = new Map<string, Entry>()
  readonly #listeners = new Set<(verdict: ServerVerdict) => void>()
  /** To be closed with it. */
  readonly #raw: readonly { close?(): void }[]
  readonly #direct: HealthThread
  /** For checks that go through their service, when there is a way. */
  readonly #through: HealthThread | null
  readonly #losses: Loss[] = []

  constructor({ gateway = null, ...options }: HealthEngineOptions) {
    const { pinger = new RawPinger(), sctpAsker = new RawSctpAsker() } = options
    // From the network of the probes, where the thread itself is, too.
    const throughAsker = gateway && new RawSctpAsker(openWithin(gateway.place.path))
    this.#raw = [pinger, sctpAsker, ...(throughAsker ? [throughAsker] : [])]
    const { timers = systemTimers } = options
    const thread = (own: ServiceGateway | null) => {
      const vias: CheckSpec['via'][] =
        gateway === null ? ['direct', 'service'] : own === null ? ['direct'] : ['service']
      return new HealthThread({
        ...options,
        ...{
          pinger,
          sctpAsker: own === null ? sctpAsker : throughAsker!,
          gateway: own,
          vias,
          timers,
        },
        lost: reason => {
          const via = own === null ? 'direct' : 'service'
          this.#count(via, reason)
          options.lost?.(via, reason)
        },
        servers: () => [...this.#servers.values()].map(resumed),
        changed: change => this.#take(change),
      })
    }
    this.#direct = thread(null)
    this.#through = gateway && thread(gateway)
  }

  /** Called for each change of a check's or a server's state or reason, and once for each new check. */
  listen(listener: (verdict: ServerVerdict) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Adds a server or replaces what is known of it. Checks that stay the same are not disturbed. */
  set(subject: CheckedServer): void {
    const key = nameOf(subject)
    const entry = this.#servers.get(key) ?? { subject, changes: new Map(), health: null }
    entry.subject = subject
    this.#servers.set(key, entry)
    for (const each of this.#threads) each.set(subject)
  }

  delete(service: string, server: string): void {
    if (!this.#servers.delete(nameOf({ service, server }))) return
    for (const each of this.#threads) each.delete(service, server)
  }

  /** Undefined: no checks, or none that has been heard of yet. */
  verdict(service: string, server: string): ServerVerdict | undefined {
    const entry = this.#servers.get(nameOf({ service, server }))
    return entry && verdictOn(entry)
  }

  /** Input for an `external` check. False: there is no such check. */
  report(service: string, server: string, check: string, report: Report): boolean {
    const entry = this.#servers.get(nameOf({ service, server }))
    const found = entry?.subject.checks.find(({ name }) => name === check)
    if (found?.spec.kind !== 'external') return false
    this.#direct.post({ op: 'report', service, server, check, report })
    return true
  }

  /** Runs a server's checks, or one, now; takes up to their timeouts. Null: there is none such. */
  runNow(service: string, server: string, check?: string): Promise<NamedResult[] | null> {
    const name: [string] | [] = check === undefined ? [] : [check]
    return this.#ask('runNow', [service, server, ...name])
  }

  history(service: string, server: string): Promise<CheckHistory[] | null> {
    return this.#ask('history', [service, server])
  }

  statuses(service: string, server: string): Promise<CheckStatus[] | null> {
    return this.#ask('statuses', [service, server])
  }

  /** Read from shared memory: asks nobody. One more of a kind for checks through services. */
  histograms(): (LatencyHistogram & { via: CheckSpec['via'] })[] {
    const of = (thread: HealthThread | null, via: CheckSpec['via']) =>
      thread?.histograms().map(each => ({ ...each, via })) ?? []
    return [...of(this.#direct, 'direct'), ...of(this.#through, 'service')]
  }

  /** Threads that are gone since the start. */
  losses(): readonly Loss[] {
    return this.#losses
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map(each => each.close()))
    for (const each of this.#raw) each.close?.()
  }

  get #threads(): HealthThread[] {
    return this.#through === null ? [this.#direct] : [this.#direct, this.#through]
  }

  /** What all threads know together; null when none knows the server or the check. */
  async #ask<Q extends keyof Questions>(
    question: Q,
    list: Questions[Q]['arguments'],
  ): Promise<Questions[Q]['answer'] | null> {
    const answers = await Promise.all(this.#threads.map(each => each.ask(question, list)))
    const known = answers.filter(answer => answer !== null)
    return known.length === 0 ? null : (known.flat() as Questions[Q]['answer'])
  }

  #count(via: Loss['via'], reason: LossReason): void {
    const known = this.#losses.find(each => each.via === via && each.reason === reason)
    if (known === undefined) this.#losses.push({ via, reason, count: 1 })
    else known.count++
  }

  #take(change: CheckChange): void {
    const entry = this.#servers.get(nameOf(change))
    // Of a server that is gone.
    if (entry === undefined) return
    const known = entry.changes.get(change.check)
    // A new thread says again what is known, and has no reason for it yet.
    const hasOtherReason = change.state === 'down' && change.detail !== null
    const isSame = known?.state === change.state && known.warned === change.warned
    if (isSame && !(hasOtherReason && known.detail !== change.detail)) return
    if (change.state === null) entry.changes.delete(change.check)
    else entry.changes.set(change.check, change)
    entry.health = healthOf(entry, change)
    const verdict = verdictOn(entry)
    if (verdict !== undefined) for (const listener of [...this.#listeners]) listener(verdict)
  }
}

const openWithin =
  (path: string): typeof openRawSocket =>
  (protocol, family) =>
    withinNetwork(path, () => openRawSocket(protocol, family))

const nameOf = ({ service, server }: { service: string; server: string }) =>
  JSON.stringify([service, server])

const statesOf = ({ subject, changes }: Entry): [string, CheckState][] =>
  subject.checks.map(({ name }) => [name, changes.get(name)?.state ?? 'unknown'])

function healthOf(entry: Entry, { check, state: found, since, detail }: CheckChange): ServerHealth {
  const states = statesOf(entry).map(([, state]) => state)
  const state = verdictOf(states, entry.subject.required)
  const before = entry.health
  const said = found === 'down' && detail !== null ? `${check}: ${detail}` : null
  return {
    state,
    since: before?.state === state ? before.since : since,
    detail: said ?? before?.detail ?? null,
  }
}

/** Undefined until every check has said what state it starts in, so that no verdict is of a part. */
function verdictOn(entry: Entry): ServerVerdict | undefined {
  const { subject, changes, health } = entry
  if (health === null || !subject.checks.every(({ name }) => changes.has(name))) return undefined
  const { service, server } = subject
  const warned = new Set([...changes].flatMap(([name, each]) => (each.warned ? [name] : [])))
  return { service, server, health, states: new Map(statesOf(entry)), warned }
}

/** For a thread that follows another: from where that one was. */
function resumed({ subject, changes }: Entry): CheckedServer {
  const checks = subject.checks.map(check => {
    const state = changes.get(check.name)?.state
    if (state === undefined || state === null) return check
    const spec = { ...check.spec, initialState: 'lastKnown' as const }
    return { ...check, spec, lastKnown: state === 'unknown' ? null : state }
  })
  return { ...subject, checks }
}
