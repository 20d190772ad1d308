/**
 * Answers what would become of a packet: a shadow engine handles it for real, and what it leaves
 * behind is told. Runs between two turns of the worker; the real engine does not notice.
 */
import type { Port } from '../driver/driver.js'
import { PcapDriver, type CapturedFrame } from '../driver/pcap.js'
import { formatIp } from '../format.js'
import type { Ipvs } from '../ipvs/ipvs.js'
import { copyOf, PacketObserver, type Observed } from '../ipvs/observer.js'
import { Shadow } from '../ipvs/shadow.js'
import { OpError } from '../op-error.js'
import { Packet } from '../packet.js'
import { parse } from '../parse.js'
import type { Simulation, SimulationRequest } from '../protocol.js'
import * as ethernet from '../wire/ethernet.js'
import * as mac from '../wire/mac.js'
import { frameOf, probeOf } from './probe.js'
import { report } from './report.js'
import { SchedulerSpy } from './scheduler-spy.js'

export interface SimulationContext {
  ipvs: Ipvs
  ports: readonly Port[]
  nowMs: number
}

/** Throws OpError for what is no packet, or an interface that is no port. */
export function simulate(context: SimulationContext, request: SimulationRequest): Simulation {
  const { ipvs: real, ports, nowMs } = context
  const ip = probeOf(request.packet)
  const parsed = packetOf(ip)
  const port = portOf(context, request.interface, parsed)
  parsed.port = port.index
  const rule = request.mark === undefined ? real.marks.indexOf(parsed) : -1
  const mark = request.mark ?? real.marks.rules[rule]?.mark ?? 0
  const sent: Simulation['sent'] = []
  const sink = {
    frame: (index: number, frame: Uint8Array) => sent.push(sentFrame(ports[index]!, frame)),
    host: (octets: Uint8Array) =>
      sent.push({ interface: null, srcMac: null, dstMac: null, ...textAndHex(octets) }),
  }
  const shadow = new Shadow({
    ...{ real, pkt: parsed, mark, nowMs },
    driver: counters => new PcapDriver(ports, counters, sink),
  })
  if (request.mark !== undefined) forceMark(shadow.ipvs, parsed.flow.family, mark)
  const spy = new SchedulerSpy(shadow.ipvs)
  const frame = { port: port.index, frame: frameOf(ip, port), toHost: true, tagged: false }
  const observed = push(shadow, frame)
  const told = report({
    ...{ real, shadow, observed, ports, sent, parsed, spy },
    packet: { interface: port.name, ...textAndHex(ip) },
    mark: { value: mark, rule: rule < 0 ? null : rule, used: observed.mark !== 0 },
  })
  const worker = workerOf(real, parsed, observed.mark)
  return worker === null ? told : { ...told, worker }
}

/** Where several workers share the traffic: the one to ask, when it is not this one. */
function workerOf({ crew, network, services }: Ipvs, pkt: Packet, mark: number): number | null {
  const f = pkt.flow
  if (crew === null || f.family === 0) return null
  const local = mark !== 0 || network.isLocal(f.family, f.dst0, f.dst1, f.dst2, f.dst3)
  const owner = crew.ownerOf(pkt, local, local ? services.find(f, mark, false) : undefined)
  return owner === crew.index ? null : owner
}

function push({ ipvs, driver }: Shadow, frame: CapturedFrame): Observed {
  const observer = new PacketObserver({ ipvs })
  observer.begin()
  const burst: Packet[] = []
  ;(driver as PcapDriver).offer(frame)
  driver.receive(burst, 1)
  const [pkt] = burst
  if (pkt === undefined) return observer.after()
  observer.before(pkt)
  ipvs.handle(pkt)
  const observed = observer.after()
  driver.flush()
  return observed
}

/** What every packet of the family carries now. */
function forceMark(ipvs: Ipvs, family: number, mark: number): void {
  const any = { protocol: null, source: null, destination: null, port: null }
  const rule = { mark, family, sourcePorts: null, destinationPorts: null, ...any }
  ipvs.marks.set(mark === 0 ? [] : [rule])
}

/** Parsed as far as it can be; its flow is empty when it is no valid packet. */
function packetOf(ip: Uint8Array): Packet {
  const pkt = new Packet(ip.slice())
  pkt.end = ip.length
  const probe = copyOf(pkt)
  return parse(probe) === 0 ? probe : pkt
}

/** The named port, or the one behind which its source is. */
function portOf({ ipvs, ports }: SimulationContext, name: string | undefined, pkt: Packet): Port {
  if (name !== undefined) {
    const named = ports.find(port => port.name === name)
    if (named === undefined) throw new OpError('ENODEV', `no such port: ${name}`)
    return named
  }
  const { family, src0, src1, src2, src3 } = pkt.flow
  const way = family === 0 ? null : ipvs.network.reader().resolve(family, src0, src1, src2, src3)
  const port = ports[Math.max(0, way?.port ?? 0)]
  if (port === undefined) throw new OpError('ENODEV', 'the dataplane has no interface')
  return port
}

function sentFrame(port: Port, frame: Uint8Array): Simulation['sent'][number] {
  const v = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  return {
    interface: port.name,
    srcMac: mac.format(ethernet.srcHigh(v, 0), ethernet.srcLow(v, 0)),
    dstMac: mac.format(ethernet.dstHigh(v, 0), ethernet.dstLow(v, 0)),
    ...textAndHex(frame.slice(ethernet.MIN_LENGTH)),
  }
}

const textAndHex = (ip: Uint8Array) => ({
  text: formatIp(new DataView(ip.buffer, ip.byteOffset, ip.byteLength), 0, ip.length),
  hex: Array.from(ip, octet => octet.toString(16).padStart(2, '0')).join(''),
})
