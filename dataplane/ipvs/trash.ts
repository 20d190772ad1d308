import type { Dest } from './dest.js'
import { Role, type Guarded } from './guarded.js'
import type { Address, Service } from './service.js'

/** What a service looked like to a dest that was deleted from it (ip_vs_trash_get_dest). */
interface Entry {
  readonly dest: Dest
  readonly fwmark: number
  readonly protocol: number
  readonly service: Address & { port: number }
  /** Where it stands among the others. */
  readonly hash: number
  /** Tick at which it was first seen without references, -1 before. */
  idleSince: number
  /** Whether its service's and its own endpoint are kept from the host. */
  held: boolean
}

/** Period of the sweep, and how long a dest stays once nobody refers to it, in 10 ms ticks. */
export const TRASH_PERIOD_TICKS = 6000
const IDLE_TICKS = 12000

/**
 * Deleted real servers that connections may still refer to. Re-added in time, one comes back with
 * its connections and its counters.
 */
export class Trash {
  readonly #entries = new Map<number, Entry>()
  /**
   * The same by service and endpoint, in order of deletion. Thousands of services may share their real
   * servers, so by endpoint alone as many would be looked through for each that is added again.
   */
  readonly #byKey = new Map<number, Set<Entry>>()
  /** Dests by the row of the service that they were deleted from. */
  readonly #byService = new Map<number, Set<Dest>>()
  readonly #guarded: Guarded
  readonly #onIdle: (dest: Dest) => void
  readonly #onFree: (dest: Dest) => void

  /** `onIdle`: no connection of it is left. `onFree`: it will not come back any more. */
  constructor(guarded: Guarded, onIdle: (dest: Dest) => void, onFree: (dest: Dest) => void) {
    this.#guarded = guarded
    this.#onIdle = onIdle
    this.#onFree = onFree
  }

  get size(): number {
    return this.#entries.size
  }

  put(dest: Dest, service: Service): void {
    const { family, w0, w1, w2, w3, port, fwmark, protocol } = service
    const entry: Entry = {
      ...{ dest, fwmark, protocol, service: { family, w0, w1, w2, w3, port } },
      ...{ hash: keyHash(service, dest, dest.port), idleSince: -1, held: true },
    }
    // Connections go on after their service is gone, and none of them is the host's.
    if (fwmark === 0) this.#guarded.hold(Role.vip, service, protocol, port)
    this.#entries.set(dest.row, entry)
    enter(this.#byKey, entry.hash, entry)
    if (dest.serviceRow !== 0) enter(this.#byService, dest.serviceRow, dest)
    if (!dest.referred) this.#release(entry)
  }

  /** Gives the endpoints back to the host whose last connection has gone. */
  releaseIdle(): void {
    for (const entry of this.#entries.values()) {
      if (entry.held && !entry.dest.referred) this.#release(entry)
    }
  }

  /** Takes back the dest that was deleted from an equal service (and has that row), or null. */
  take(
    service: Service,
    address: Address,
    port: number,
    wanted: number | null = null,
  ): Dest | null {
    for (const e of this.#byKey.get(keyHash(service, address, port)) ?? []) {
      const { row } = e.dest
      if (e.dest.port !== port || !sameAddress(e.dest, address)) continue
      if (wanted !== null && wanted !== row) continue
      if (e.fwmark !== service.fwmark || e.protocol !== service.protocol) continue
      const sameService = sameAddress(e.service, service) && e.service.port === service.port
      if (service.fwmark === 0 && !sameService) continue
      this.#remove(row, e)
      return e.dest
    }
    return null
  }

  /** The service whose statistics stand in that row is gone: its dests are nobody's. */
  orphan(serviceRow: number): void {
    for (const dest of this.#byService.get(serviceRow) ?? []) dest.serviceRow = 0
    this.#byService.delete(serviceRow)
  }

  /** One sweep: marks what has become idle, frees what has been idle for 120 s. */
  sweep(tick: number): void {
    for (const [row, e] of this.#entries) {
      if (e.dest.referred || e.dest.remembered > 0) {
        e.idleSince = -1
      } else if (e.idleSince < 0) {
        e.idleSince = tick
      } else if (tick - e.idleSince >= IDLE_TICKS) {
        this.#remove(row, e)
        this.#onFree(e.dest)
      }
    }
  }

  /** Frees one that is only remembered, before rows run out. False when there is none. */
  evict(): boolean {
    for (const [row, e] of this.#entries) {
      if (e.dest.referred) continue
      this.#remove(row, e)
      this.#onFree(e.dest)
      return true
    }
    return false
  }

  #remove(row: number, e: Entry): void {
    this.#entries.delete(row)
    leave(this.#byKey, e.hash, e)
    leave(this.#byService, e.dest.serviceRow, e.dest)
    if (e.held) this.#release(e)
  }

  #release(e: Entry): void {
    e.held = false
    if (e.fwmark === 0) this.#guarded.release(Role.vip, e.service, e.protocol, e.service.port)
    this.#onIdle(e.dest)
  }
}

/** What makes a service itself: its mark, or else its endpoint. */
type Key = Address & { port: number; fwmark: number; protocol: number }

const keyHash = (service: Key, dest: Address, port: number): number =>
  Math.imul(serviceHash(service), 0x27d4eb2d) ^ endpointHash(dest, port)

const serviceHash = (service: Key): number =>
  (service.fwmark === 0 ? endpointHash(service, service.port) : service.fwmark) ^ service.protocol

const endpointHash = ({ w0, w1, w2, w3 }: Address, port: number): number =>
  Math.imul(w0 ^ w1 ^ Math.imul(w2 ^ w3, 0x9e3779b1) ^ port, 0x85ebca6b)

function enter<T>(map: Map<number, Set<T>>, key: number, value: T): void {
  const set = map.get(key)
  if (set === undefined) map.set(key, new Set([value]))
  else set.add(value)
}

function leave<T>(map: Map<number, Set<T>>, key: number, value: T): void {
  const set = map.get(key)
  if (set?.delete(value) === true && set.size === 0) map.delete(key)
}

const sameAddress = (a: Address, b: Address): boolean =>
  a.w0 === b.w0 && a.w1 === b.w1 && a.w2 === b.w2 && a.w3 === b.w3 && a.family === b.family
