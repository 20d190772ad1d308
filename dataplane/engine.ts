import type { Clock } from './clock.js'
import { Counter } from './counters.js'
import type { Driver, HostTap } from './driver/driver.js'
import { BURST_MAX } from './limits.js'
import type { Packet } from './packet.js'

/** What the engine pushes packets through. */
export interface Pipeline {
  /** Told which packets come next, before the first of them is handled. */
  expect?(burst: readonly Packet[], count: number): void
  /** Decides about one packet and sends what follows from it. Never keeps `pkt`. */
  handle(pkt: Packet): void
  /** As `handle`, for a packet of this host's own; see `HostTap`. */
  hostSent?(pkt: Packet, diverted: boolean): void
  /** Runs what is due; bounded. */
  tick(nowMs: number): void
}

export interface EngineOptions {
  driver: Driver
  pipeline: Pipeline
  clock: Clock
  counters: Float64Array
  /** Told about a packet that broke an assumption (a bug): the error and the packet. */
  onFault: (error: unknown, pkt: Packet) => void
}

/** How often cumulative driver counters are fetched. */
const DRIVER_COUNTERS_MS = 1000

/** The loop's body: one bounded turn takes a burst, pushes each packet through, runs due timers. */
export class Engine {
  readonly #driver: Driver
  readonly #pipeline: Pipeline
  readonly #clock: Clock
  readonly #counters: Float64Array
  readonly #onFault: EngineOptions['onFault']
  readonly #burst: Packet[] = []
  #countersDueMs = 0

  constructor(options: EngineOptions) {
    this.#driver = options.driver
    this.#pipeline = options.pipeline
    this.#clock = options.clock
    this.#counters = options.counters
    this.#onFault = options.onFault
  }

  /** Returns how many packets there were. */
  breathe(): number {
    const nowMs = this.#clock.now()
    this.#pipeline.tick(nowMs)
    const burst = this.#burst
    const count = this.#driver.receive(burst, BURST_MAX)
    if (count > 1) this.#expect(count)
    for (let i = 0; i < count; i++) this.#push(burst[i]!)
    if (count > 0) this.#counters[Counter.received]! += count
    const { host } = this.#driver
    const own = host === null ? 0 : this.#fromHost(host, true) + this.#fromHost(host, false)
    this.#driver.flush()
    if (nowMs >= this.#countersDueMs) {
      this.#countersDueMs = nowMs + DRIVER_COUNTERS_MS
      this.#driver.updateCounters()
    }
    return count + own
  }

  #fromHost(host: HostTap, diverted: boolean): number {
    const burst = this.#burst
    const count = host.receive(burst, BURST_MAX, diverted)
    for (let i = 0; i < count; i++) {
      try {
        this.#pipeline.hostSent?.(burst[i]!, diverted)
      } catch (error) {
        this.#counters[Counter.internalError]!++
        this.#onFault(error, burst[i]!)
      }
    }
    return count
  }

  /** A bug met here is met again by `handle`, where it is counted. */
  #expect(count: number): void {
    try {
      this.#pipeline.expect?.(this.#burst, count)
    } catch {
      return
    }
  }

  /** A bug met by one packet costs that packet alone. */
  #push(pkt: Packet): void {
    try {
      this.#pipeline.handle(pkt)
    } catch (error) {
      this.#counters[Counter.internalError]!++
      this.#onFault(error, pkt)
    }
  }
}
