/**
 * What is known of the health of every real server, in memory. Whoever checks writes it, whoever
 * decides or shows reads it or listens. It says nothing about weights: server/documents/effective-weight.ts
 * does.
 */

/** `unknown`: it has checks, and none has come to a verdict yet. */
export type HealthState = 'up' | 'down' | 'unknown'

export interface ServerHealth {
  state: HealthState
  /** When it came into this state; ISO 8601. */
  since: string
  /** The last failing check in a sentence; null when there was none. */
  detail: string | null
}

/** `before` and `after` are undefined where there are no checks (any more). */
export interface HealthChange {
  service: string
  server: string
  before: ServerHealth | undefined
  after: ServerHealth | undefined
}

export interface HealthEntry {
  service: string
  server: string
  health: ServerHealth
}

export type HealthListener = (change: HealthChange) => void

/** By the names of service and real server. */
export class HealthBook {
  readonly #services = new Map<string, Map<string, ServerHealth>>()
  readonly #listeners = new Set<HealthListener>()

  /** Undefined: nothing checks it. */
  get(service: string, server: string): ServerHealth | undefined {
    return this.#services.get(service)?.get(server)
  }

  /** Listeners are told when the state is another one; a new sentence alone is only written down. */
  set(service: string, server: string, health: ServerHealth): void {
    const servers = this.#services.get(service) ?? new Map<string, ServerHealth>()
    this.#services.set(service, servers)
    const before = servers.get(server)
    // Told again, it has not begun again.
    const after = before?.state === health.state ? { ...health, since: before.since } : health
    servers.set(server, after)
    if (before?.state !== after.state) this.#tell({ service, server, before, after })
  }

  /** Nothing checks it any more. */
  delete(service: string, server: string): void {
    const servers = this.#services.get(service)
    const before = servers?.get(server)
    if (servers === undefined || before === undefined) return
    servers.delete(server)
    if (servers.size === 0) this.#services.delete(service)
    this.#tell({ service, server, before, after: undefined })
  }

  /** Returns what ends it. A listener is called at once and must not throw. */
  listen(listener: HealthListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Everything, in no particular order. */
  *entries(): Iterable<HealthEntry> {
    for (const [service, servers] of this.#services)
      for (const [server, health] of servers) yield { service, server, health }
  }

  #tell(change: HealthChange): void {
    // One that stops listening because of it still leaves the others their turn.
    for (const listener of [...this.#listeners]) listener(change)
  }
}
