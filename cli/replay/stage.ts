/** The engine as the worker runs it, over captures and with a clock that only moves when told to. */
import { ManualClock } from '../../dataplane/clock.js'
import { PcapDriver, type CapturedFrame, type CaptureSink } from '../../dataplane/driver/pcap.js'
import { Engine } from '../../dataplane/engine.js'
import { Ipvs } from '../../dataplane/ipvs/ipvs.js'
import { CONNS_DEFAULT } from '../../dataplane/limits.js'
import type { Packet } from '../../dataplane/packet.js'
import type { ServiceRows, SharedMemory } from '../../dataplane/protocol.js'
import { CONNS, allocate } from '../../dataplane/shared/memory.js'
import { TICK_MS } from '../../dataplane/timer-wheel.js'
import type { ReplayConfiguration } from './configuration.js'
import type { ReplayNetwork } from './network.js'

/** Fixed, so that a replay gives the same result each time. */
const SEEDS = [0x5eed, 0xca5e, 0xf00d] as const
/** Half-received datagrams are looked through four times a second, for as long as they may live. */
const REASSEMBLY_STEP_MS = 250
const REASSEMBLY_LIFE_MS = 61_000
/** Longer than any timeout: by then every timer has fired, and more time changes nothing. */
export const GAP_MAX_MS = 32 * 86_400_000

export interface StageOptions {
  configuration: ReplayConfiguration
  network: ReplayNetwork
  sink: CaptureSink
  /** Told around each packet that reaches the engine. */
  watch: { before(pkt: Packet): void; after(pkt: Packet): void }
  /** A bug that a packet has met: it was dropped. */
  onFault: (error: unknown) => void
}

export class Stage {
  readonly memory: SharedMemory
  readonly counters: Float64Array
  readonly ipvs: Ipvs
  /** Statistics rows, in the order of the configuration. */
  readonly rows: readonly ServiceRows[]
  readonly #clock = new ManualClock()
  readonly #driver: PcapDriver
  readonly #engine: Engine
  readonly #control: Int32Array
  #fragmentsUntilMs = 0

  constructor({ configuration, network, sink, watch, onFault }: StageOptions) {
    const memory = allocate(CONNS_DEFAULT)
    const counters = new Float64Array(memory.counters)
    const clock = this.#clock
    const driver = new PcapDriver(network.ports, counters, sink)
    const rest = { seeds: SEEDS, random: seeded(SEEDS[0]) }
    const ipvs = new Ipvs({ driver, network: network.table, clock, memory, ...rest })
    const { timeouts, ...knobs } = ipvs.configuration()
    const { tcpS, tcpFinS, udpS } = configuration.timeouts
    ipvs.configure({
      ...{ ...knobs, ...configuration.settings },
      timeouts: {
        tcpS: tcpS || timeouts.tcpS,
        tcpFinS: tcpFinS || timeouts.tcpFinS,
        udpS: udpS || timeouts.udpS,
      },
    })
    ipvs.marks.set(configuration.markRules)
    const { services } = ipvs.restore(
      configuration.services.map(({ config, servers }) => ({
        service: config,
        row: null,
        dests: servers.map(server => ({ dest: server.config, row: null })),
      })),
    )
    const pipeline = {
      handle: (pkt: Packet) => {
        watch.before(pkt)
        ipvs.handle(pkt)
        watch.after(pkt)
      },
      hostSent: (pkt: Packet, diverted: boolean) => ipvs.hostSent(pkt, diverted),
      tick: (nowMs: number) => ipvs.tick(nowMs),
    }
    this.memory = memory
    this.counters = counters
    this.ipvs = ipvs
    this.rows = services
    this.#driver = driver
    this.#engine = new Engine({ driver, pipeline, clock, counters, onFault })
    this.#control = new Int32Array(memory.control)
  }

  get nowMs(): number {
    return this.#clock.now()
  }

  /** Connections and templates that exist. */
  get connCount(): number {
    return this.#control[CONNS]!
  }

  /** Runs every timer on the way, each at its own time, and tells when some may have run. */
  advanceTo(timeMs: number, afterEach: () => void): void {
    const clock = this.#clock
    while (clock.now() < timeMs) {
      const now = clock.now()
      const due = Math.floor(now / TICK_MS) * TICK_MS + this.ipvs.idleMs(now)
      const step = now < this.#fragmentsUntilMs ? now + REASSEMBLY_STEP_MS : Infinity
      const next = Math.min(timeMs, step, due > now ? due : now + TICK_MS)
      clock.advance(next - now)
      this.#engine.breathe()
      afterEach()
    }
  }

  /** Lets one frame in, at the present time. */
  inject(frame: CapturedFrame): void {
    this.#driver.offer(frame)
    this.#engine.breathe()
  }

  /** A fragment has come in: until when somebody may wait for the others. */
  expectFragments(): void {
    this.#fragmentsUntilMs = this.nowMs + REASSEMBLY_LIFE_MS
  }

  close(): void {
    this.#driver.close()
  }
}

/** A uniform integer in [0, bound], the same row of them each time (xorshift32). */
function seeded(seed: number): (bound: number) => number {
  let state = seed
  return bound => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % (bound + 1)
  }
}
