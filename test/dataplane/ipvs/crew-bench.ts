/**
 * Several engines of the golden topology in one thread, sharing the traffic as workers do: each with
 * its own memory, with queues between them. Configured with ipvsadm's commands (without its name).
 */
import { run } from '../../../cli/ipvsadm/command.js'
import { ManualClock } from '../../../dataplane/clock.js'
import { Control } from '../../../dataplane/control.js'
import { Relay } from '../../../dataplane/driver/relay.js'
import { Engine } from '../../../dataplane/engine.js'
import { Ipvs } from '../../../dataplane/ipvs/ipvs.js'
import { allocate } from '../../../dataplane/shared/memory.js'
import { allocateQueue } from '../../../dataplane/shared/packet-queue.js'
import { toHex } from '../../fixtures/packets.js'
import { EngineBackend } from '../../golden/engine-backend.js'
import { makeDriver, Topology } from '../../golden/topology.js'
import { VIPS } from './command-bench.js'

const LAB = { vips: [VIPS[4]], vips6: [VIPS[6]], mtu_s: 1500, mtu_c: 1500, icmp_ratelimit: 0 }
const CONNS_MAX = 4096
const QUEUE_OCTETS = 1 << 18
/** Where it came in, its client's worker, the first one, back, and one to see that it is quiet. */
const TURNS = 5

export async function crewBench(count: number, commands: readonly string[]) {
  const memories = Array.from({ length: count }, () => allocate(CONNS_MAX))
  const queues = memories.map((_, from) =>
    memories.map((_, to) => (from === to ? null : allocateQueue(QUEUE_OCTETS))),
  )
  const clock = new ManualClock()
  const workers = memories.map((memory, index) => {
    const counters = new Float64Array(memory.counters)
    const inner = makeDriver(LAB, counters)
    const relay = new Relay({ inner, crew: { index, memories, queues }, counters, wake: () => {} })
    const driver = count === 1 ? inner : relay
    const { network } = new Topology(inner, LAB)
    const peers = memories.filter((_, i) => i !== index)
    const crew = count === 1 ? {} : { crew: { index, count, peers, handover: relay } }
    const fixed = { seeds: [1, 2, 3], timeOfDayMs: () => 0 } as const
    const ipvs = new Ipvs({ driver, network, clock, memory, ...fixed, ...crew })
    ipvs.restore([])
    ipvs.settings.icmpRateLimitMs = 0
    const control = new Control({ ipvs, driver, nowMs: () => clock.now(), onStop: () => {} })
    const engine = new Engine({
      ...{ driver, pipeline: ipvs, clock, counters },
      onFault: error => {
        throw error
      },
    })
    return { inner, ipvs, engine, counters, backend: new EngineBackend(ipvs, control, memory) }
  })
  for (const command of commands) {
    for (const { backend } of workers) {
      const { exit, out } = await run(command.split(' '), backend)
      if (exit !== 0) throw new Error(`${command}: ${out}`)
    }
  }
  const settle = () => {
    for (let turn = 0; turn < TURNS; turn++) for (const { engine } of workers) engine.breathe()
  }
  /** What left since the last call, each with its port, and what the host was given. */
  const take = () =>
    workers.flatMap(({ inner }) => [
      ...inner.sent.splice(0).map(({ port, frame }) => `${port} ${toHex(frame.slice(14))}`),
      ...inner.sentIp.splice(0).map(ip => `host ${toHex(ip)}`),
    ])
  return {
    workers,
    /** What leaves because of a packet that worker `to` receives on that port. */
    inject: (to: number, port: number, ip: Uint8Array): string[] => {
      const type = ip[0]! >>> 4 === 4 ? [8, 0] : [0x86, 0xdd]
      const ethernet = [2, 0, 0, 0, port, 1, 2, 0, 0, 0, 0, 0xfe, ...type]
      workers[to]!.inner.inject(port, Uint8Array.from([...ethernet, ...ip]))
      settle()
      return take()
    },
    pass: (ms: number): string[] => {
      clock.advance(ms)
      settle()
      return take()
    },
  }
}
