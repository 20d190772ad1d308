/** The engine of the golden topology, configured with ipvsadm's commands (without its name). */
import { run } from '../../../cli/ipvsadm/command.js'
import { ManualClock } from '../../../dataplane/clock.js'
import { Control } from '../../../dataplane/control.js'
import { Engine } from '../../../dataplane/engine.js'
import { Ipvs } from '../../../dataplane/ipvs/ipvs.js'
import { allocate } from '../../../dataplane/shared/memory.js'
import { buildBytes, toHex, type PacketRecord } from '../../fixtures/packets.js'
import { EngineBackend } from '../../golden/engine-backend.js'
import { makeDriver, Topology } from '../../golden/topology.js'

export const VIPS = { 4: '198.51.100.200', 6: '2001:db8:f::10' } as const

/** Throws when a command fails. */
export async function commandBench(...commands: string[]) {
  const lab = { vips: [VIPS[4]], vips6: [VIPS[6]], mtu_s: 1500, mtu_c: 1500 }
  const memory = allocate(1024)
  const counters = new Float64Array(memory.counters)
  const driver = makeDriver({ ...lab, icmp_ratelimit: 0 }, counters)
  const { network } = new Topology(driver, { ...lab, icmp_ratelimit: 0 })
  const clock = new ManualClock()
  const ipvs = new Ipvs({ driver, network, clock, memory, seeds: [1, 2, 3] })
  ipvs.restore([])
  const control = new Control({ ipvs, driver, nowMs: () => clock.now(), onStop: () => {} })
  const backend = new EngineBackend(ipvs, control, memory)
  for (const command of commands) {
    const { exit, out } = await run(command.split(' '), backend)
    if (exit !== 0) throw new Error(`${command}: ${out}`)
  }
  const engine = new Engine({
    ...{ driver, pipeline: ipvs, clock, counters },
    onFault: error => {
      throw error
    },
  })
  const inject = (port: number, record: PacketRecord | Uint8Array) => {
    const ip = record instanceof Uint8Array ? record : buildBytes(record)
    const type = ip[0]! >>> 4 === 4 ? [8, 0] : [0x86, 0xdd]
    driver.inject(port, Uint8Array.from([2, 0, 0, 0, port, 1, 2, 0, 0, 0, 0, 0xfe, ...type, ...ip]))
    engine.breathe()
  }
  const packets = () => driver.sent.splice(0).map(({ frame }) => toHex(frame.slice(14)))
  return {
    ipvs,
    /** What reaches the host because of it. */
    client: (record: PacketRecord) => {
      inject(0, record)
      return driver.sentIp.splice(0).map(toHex)
    },
    /** What leaves because of it. */
    wire: (port: number, record: PacketRecord | Uint8Array) => {
      inject(port, record)
      return packets()
    },
    /** What leaves because of it. */
    host: (record: PacketRecord, diverted: boolean) => {
      driver.injectOfHost(buildBytes(record), diverted)
      engine.breathe()
      return packets()
    },
    /** Lets time go by; what leaves meanwhile is forgotten. */
    pass: (ms: number) => {
      clock.advance(ms)
      engine.breathe()
      driver.sent.length = driver.sentIp.length = 0
    },
    states: async () => (await run(['-Lnc'], backend)).out.match(/(?<=\d\d:\d\d +)[A-Z_]+/g) ?? [],
  }
}
