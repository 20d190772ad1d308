import { receiveMessageOnPort, workerData } from 'node:worker_threads'
import { systemClock } from './clock.js'
import { Control } from './control.js'
import type { Driver } from './driver/driver.js'
import { openPacketRing, PacketRing } from './driver/packet-ring.js'
import { Relay } from './driver/relay.js'
import { RawSocketDriver } from './driver/raw-socket.js'
import { Engine } from './engine.js'
import { format } from './format.js'
import { Ipvs } from './ipvs/ipvs.js'
import { NetworkTable } from './net/network-table.js'
import { Rtnetlink } from './net/rtnetlink.js'
import { LoopMeter } from './loop-meter.js'
import { Pace } from './pace.js'
import type { Packet } from './packet.js'
import type { CrewConfig, Event, Reply, Request, WorkerConfig } from './protocol.js'
import { takePriority } from './priority.js'
import { ASLEEP, DESCRIPTORS, HEARTBEAT, MESSAGES, WAKE } from './shared/memory.js'
import { firstShare, ShareKeeper } from './share-keeper.js'
import { DescriptorLedger } from './sys/descriptors.js'
import { EventDescriptor } from './sys/event-descriptor.js'
import * as hugePages from './sys/huge-pages.js'
import * as libc from './sys/libc.js'
import { Poller } from './sys/poller.js'
import * as mac from './wire/mac.js'

/**
 * The dataplane thread. Its loop never returns to the event loop of Node: packets are polled for,
 * control messages are taken between two turns, and sleep is one poll(2) over everything that can
 * wake it. What must outlive it stands in shared memory.
 */

/** Faults of single packets that are reported in full; all are counted. */
const FAULTS_REPORTED_MAX = 10
/** Time for control messages in one turn: while packets come in, and while none do. */
const SLICE_MS = 0.25
const IDLE_SLICE_MS = 2
const NO_PRIORITY = 'packets have no priority over requests: CAP_SYS_NICE is missing'
/** How late a busy loop may learn of a new neighbour or route. */
const NEWS_MS = 5
/** How often neighbours in use are looked after. */
const NEIGHBOURS_MS = 1000

function main(config: WorkerConfig): void {
  const { control: port, memory } = config
  const words = new Int32Array(memory.control)
  const post = (event: Event) => port.postMessage(event)
  const refused = takePriority(config.crew?.memories.length ?? 1)
  if (refused !== null)
    post({ event: 'log', level: 'warn', message: NO_PRIORITY, fields: { refused } })
  const ledger = new DescriptorLedger(words.subarray(DESCRIPTORS))
  ledger.closeLeftover()

  const counters = new Float64Array(memory.counters)
  const { crew } = config
  const inner = openDriver(config, counters, ledger)
  const relay = crew ? new Relay({ inner, crew, counters, wake: signal }) : null
  const driver = relay ?? inner
  // Other workers may write to it at any time, so it is the same for all that come after this one.
  const wake = crew ? new EventDescriptor(null, words[WAKE]) : new EventDescriptor(ledger)
  words[WAKE] = wake.descriptor
  const network = new NetworkTable(driver)
  const rtnetlink = new Rtnetlink(network, ledger)
  const ipvs = new Ipvs({
    ...{ driver, network, clock: systemClock, memory },
    advise: hugePages.advise,
    ...(crew && relay && { crew: memberOf(crew, relay) }),
  })
  const share = crew && inner instanceof PacketRing ? shareOf(crew, inner, ipvs) : null
  const engine = new Engine({
    ...{ driver, pipeline: ipvs, clock: systemClock, counters },
    onFault: reporter(post),
  })
  let running = true
  const control = new Control({
    ...{ ipvs, driver, nowMs: () => systemClock.now(), onConfigured: watchHost },
    onStop: () => (running = false),
  })
  const poller = new Poller(ledger)
  const sources = () => [wake.descriptor, rtnetlink.descriptor, ...driver.descriptors]
  poller.watch(sources())
  post({
    event: 'ready',
    wakeDescriptor: wake.descriptor,
    ports: driver.ports.map(p => ({
      name: p.name,
      ifIndex: p.ifIndex,
      mac: mac.format(p.macHigh, p.macLow),
      mtuOctets: p.mtuOctets,
    })),
  })

  const pace = new Pace(config.busyPollUs)
  const meter = new LoopMeter(memory.loop)
  let turnMs = systemClock.now()
  let seen = 0
  let attending = false
  let newsDueMs = 0
  let tickDueMs = 0
  while (running) {
    // Until the configuration is there, packets wait in the ring.
    const count = ipvs.restored ? engine.breathe() : 0
    const nowMs = systemClock.now()
    words[HEARTBEAT] = nowMs | 0
    meter.turn(count, nowMs - turnMs)
    turnMs = nowMs
    if (words[MESSAGES] !== seen) {
      seen = words[MESSAGES]!
      attending = true
    }
    if (attending) {
      attending = attend(nowMs + (count > 0 ? SLICE_MS : IDLE_SLICE_MS))
      share?.follow()
      // What operations take is not the time of packets.
      turnMs = systemClock.now()
    }
    if (nowMs >= newsDueMs) {
      newsDueMs = nowMs + NEWS_MS
      readNews(nowMs)
      share?.follow()
    }
    if (attending) continue
    const sleepMs = pace.after(count, ipvs.idleMs(nowMs), nowMs)
    if (sleepMs > 0) turnMs = sleep(sleepMs, nowMs)
    else if (pace.yields) {
      libc.yieldCore()
      turnMs = systemClock.now()
    }
  }
  driver.close()
  rtnetlink.close()
  poller.close()
  wake.close()
  port.close()

  /** Takes messages and goes on with what they began; false when nothing is left to do. */
  function attend(untilMs: number): boolean {
    const goesOn = () => systemClock.now() < untilMs
    do {
      const reply = control.busy ? control.step(goesOn) : next()
      if (reply === undefined) return false
      if (reply === null) continue
      port.postMessage(reply)
      meter.answered()
    } while (goesOn())
    return true
  }

  /** Undefined: there is no message. */
  function next(): Reply | null | undefined {
    const received = receiveMessageOnPort(port)
    return received === undefined ? undefined : control.begin(received.message as Request)
  }

  /** Follows whether real servers are on this very host: their answers leave by its own stack. */
  function watchHost(): void {
    if (driver.host?.watch(ipvs.ownServers.any)) poller.watch(sources())
  }

  /** Returns when it ended. */
  function sleep(ms: number, fromMs: number): number {
    let ready = 0
    // Announced before the last look, so that a message sent meanwhile is either seen or wakes us.
    Atomics.store(words, ASLEEP, 1)
    if (Atomics.load(words, MESSAGES) === seen) ready = poller.wait(ms)
    if (ready > 0) {
      if (poller.isReady(0)) wake.drain()
      // News is read before the next packet.
      if (poller.isReady(1)) newsDueMs = 0
    }
    Atomics.store(words, ASLEEP, 0)
    const untilMs = systemClock.now()
    meter.slept(untilMs - fromMs, ready > 0)
    return untilMs
  }

  /** What the kernel tells of links, routes and neighbours; also while the loop never sleeps. */
  function readNews(nowMs: number): void {
    if (rtnetlink.process() && driver.refreshPorts()) poller.watch(sources())
    if (nowMs < tickDueMs) return
    tickDueMs = nowMs + NEIGHBOURS_MS
    ipvs.ownServers.sweep()
    watchHost()
    rtnetlink.tick()
  }
}

function openDriver(
  config: WorkerConfig,
  counters: Float64Array,
  ledger: DescriptorLedger,
): Driver {
  switch (config.driver) {
    case 'packet-ring':
      return openPacketRing(config.interfaces, counters, ledger, ringOptions(config))
    case 'raw-socket':
      return new RawSocketDriver(config, counters, ledger)
    case 'loopback':
      throw new Error('the loopback driver runs in tests only, without a worker')
    default:
      return config.driver
  }
}

const ringOptions = ({ crew }: WorkerConfig) =>
  crew ? firstShare(crew.index, crew.memories.length) : {}

const memberOf = ({ index, memories }: CrewConfig, relay: Relay) => ({
  ...{ index, count: memories.length, peers: memories.filter((_, i) => i !== index) },
  handover: relay,
})

function shareOf({ index, memories }: CrewConfig, ring: PacketRing, { guarded }: Ipvs) {
  return new ShareKeeper({
    ...{ index, count: memories.length, guarded },
    filter: program => ring.filter(program),
    nowMs: () => systemClock.now(),
  })
}

const ONE = new Uint8Array(new BigInt64Array([1n]).buffer)
const signal = (descriptor: number) => void libc.writeBytes(descriptor, ONE, 8)

function reporter(post: (event: Event) => void): (error: unknown, pkt: Packet) => void {
  let reported = 0
  return (error, pkt) => {
    if (reported++ >= FAULTS_REPORTED_MAX) return
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    const bytes = pkt.bytes.subarray(pkt.l3, Math.min(pkt.end, pkt.l3 + 128))
    const hex = Array.from(bytes, b => b.toString(16).padStart(2, '0')).join('')
    post({ event: 'fault', fatal: false, detail: `${text}\npacket: ${format(pkt)} ${hex}` })
  }
}

main(workerData as WorkerConfig)
