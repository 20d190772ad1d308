/**
 * Hostile packets to an engine that serves: all protocols, tunnels, ICMP about all of them,
 * fragments, options, extension headers, FTP and SIP, each as it should be or spoiled. Nothing may
 * throw, what leaves must be whole with right IP headers, and the connection table must stay whole.
 */
import { AUXILIARY } from '../../dataplane/shared/conn-record.js'
import { buildBytes, onesComplement, toHex, type PacketRecord } from '../fixtures/packets.js'
import { fromSeed, type Random } from '../fixtures/random.js'
import { commandBench, VIPS } from '../dataplane/ipvs/command-bench.js'
import { chance, pick } from './hostile.js'

/** Packets between two fresh engines. */
const ROUND = 2000
const FAMILIES = [4, 6] as const
type Bench = Awaited<ReturnType<typeof commandBench>>
const PORTS = [80, 80, 21, 20, 53, 500, 5060, 0, 1024, 65535]
const METHODS = ['-m', '-m', '-g', '-i', '-i --tun-type gre', '-i --tun-type gue --tun-port 6080']
const TEXTS = [
  'PASV\r\n',
  'EPSV\r\n',
  'PORT 10,1,0,1,4,1\r\n',
  'EPRT |2|2001:db8:1::1|2000|\r\n',
  '227 Entering Passive Mode (192,168,10,11,200,10).\r\n',
  '229 Entering Extended Passive Mode (|||2000|)\r\n',
  '227 (999,1,1,1,1',
  'INVITE sip:a SIP/2.0\r\nCall-ID: abc@10.0.0.1\r\n\r\n',
  'SIP/2.0 200 OK\r\ni: abc@10.0.0.1\r\n\r\n',
  'Call-ID:',
]
const IP_OPTIONS = [
  [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  [68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0],
  [131, 7, 4, 10, 0, 0, 1, 0],
  [148, 4, 0, 0],
]
const EXTENSIONS = [
  { protocol: 0, bytes: [0, 0, 5, 2, 0, 0, 1, 0] },
  { protocol: 60, bytes: [0, 0, 1, 4, 0, 0, 0, 0] },
  { protocol: 43, bytes: [0, 0, 4, 1, 0, 0, 0, 0] },
  { protocol: 44, bytes: [0, 0, 0, 0, 0, 0, 0, 7] },
  { protocol: 44, bytes: [0, 0, 0, 1, 0, 0, 0, 8] },
  { protocol: 44, bytes: [0, 0, 0, 16, 0, 0, 0, 8] },
  { protocol: 51, bytes: [0, 4, 0, 0, ...new Array<number>(20).fill(0)] },
]

export interface PacketReport {
  packets: number
  sent: number
  connections: number
}

/** Until `enough` says so; throws with the packet that did it. */
export async function fuzzPackets(
  seed: number,
  enough: (packets: number) => boolean,
): Promise<PacketReport> {
  const random = fromSeed(seed)
  const report: PacketReport = { packets: 0, sent: 0, connections: 0 }
  while (!enough(report.packets)) {
    const bench = await serving(random)
    for (let i = 0; i < ROUND && !enough(report.packets); i++) {
      if (chance(random, 5)) bench.pass(pick(random, [10, 500, 40_000]))
      const wire = pick(random, ['client', 'client', 'server'] as const)
      const ip = packet(random, wire)
      report.packets++
      try {
        const frames = bench.wire(wire === 'client' ? 0 : 1, ip)
        report.sent += frames.length
        for (const frame of frames) checkFrame(Buffer.from(frame, 'hex'))
      } catch (error) {
        throw new Error(`packet ${report.packets} ${wire} ${toHex(ip)}`, { cause: error })
      }
    }
    report.connections += checkTable(bench)
  }
  return report
}

/** Commands that make services of every kind with servers of every method, in both families. */
export function servingCommands(random: Random, schedulers: readonly string[]): string[] {
  const commands: string[] = []
  for (const family of FAMILIES) {
    const vip = family === 4 ? VIPS[4] : `[${VIPS[6]}]`
    for (const protocol of ['-t', '-u', '--sctp-service']) {
      for (const port of [80, 21, 53, 500, 5060]) {
        const isSip = protocol === '-u' && port === 5060
        const persistent = isSip ? ' -p 300 --pe sip' : pick(random, ['', '', ' -p 60'])
        const ops = protocol === '-u' && port === 53 ? ' -o' : ''
        const service = `${protocol} ${vip}:${port}`
        const scheduler = pick(random, schedulers)
        commands.push(`-A ${service} -s ${scheduler}${persistent}${ops}`)
        for (let k = 1; k <= 3; k++) {
          const server = family === 4 ? `192.168.10.${10 + k}` : `[2001:db8:10::${10 + k}]`
          const method = port === 21 ? '-m' : pick(random, METHODS)
          commands.push(`-a ${service} -r ${server}:${port} ${method}`)
        }
      }
    }
  }
  return commands
}

async function serving(random: Random): Promise<Bench> {
  const commands = servingCommands(random, ['rr', 'wlc', 'sh', 'mh', 'lblcr'])
  const bench = await commandBench(...commands)
  const { settings } = bench.ipvs
  settings.scheduleIcmp = random(2) === 0
  settings.natIcmpSend = random(2) === 0
  settings.icmpRateLimitMs = 0
  return bench
}

/** One of any kind, often spoiled, from a client or from a real server. */
export function packet(random: Random, wire: 'client' | 'server'): Uint8Array {
  const isIpv6 = random(2) === 0
  const ip = buildBytes(record(random, wire, isIpv6, 0))
  if (!chance(random, 40)) return ip
  return spoiled(random, ip)
}

function record(
  random: Random,
  wire: 'client' | 'server',
  isIpv6: boolean,
  depth: number,
): PacketRecord {
  const client = isIpv6 ? `2001:db8:1::${1 + random(3)}` : `10.1.0.${1 + random(3)}`
  const server = isIpv6 ? `2001:db8:10::${11 + random(3)}` : `192.168.10.${11 + random(3)}`
  const vip = VIPS[isIpv6 ? 6 : 4]
  const [src, dst] = wire === 'client' ? [client, vip] : [server, client]
  const ttl = pick(random, [64, 64, 64, 1, 0, 255])
  const head = { src, dst, ttl, tos: random(256), id: random(4), df: random(2) === 0 }
  const options = !isIpv6 && chance(random, 10) ? { options: pick(random, IP_OPTIONS) } : {}
  const extensions =
    isIpv6 && chance(random, 20)
      ? { extensions: Array.from({ length: 1 + random(2) }, () => pick(random, EXTENSIONS)) }
      : {}
  return { ...head, ...options, ...extensions, ...transport(random, wire, isIpv6, depth) }
}

function transport(random: Random, wire: 'client' | 'server', isIpv6: boolean, depth: number) {
  const [near, far] = [4000 + random(8), pick(random, PORTS)]
  const ports =
    wire === 'client' ? { srcPort: near, dstPort: far } : { srcPort: far, dstPort: near }
  const payload = Uint8Array.from(
    chance(random, 30)
      ? Buffer.from(pick(random, TEXTS))
      : new Uint8Array(pick(random, [0, 1, 7, 100, 1400])),
  )
  const kind = random(depth === 0 ? 9 : 6)
  if (kind < 3)
    return {
      tcp: { ...ports, payload, flags: pick(random, ['S', 'S', '.', 'P.', 'F.', 'R', 'S.']) },
    }
  if (kind === 3) return { udp: { ...ports, payload, checksum: random(4) > 0 } }
  if (kind === 4) {
    const chunks = [{ type: random(16), value: payload.subarray(0, 64) }]
    return { sctp: { ...ports, tag: random(3), chunks } }
  }
  if (kind === 5)
    return { raw: { protocol: pick(random, [50, 51, 4, 41, 47, 2, 99]), bytes: payload } }
  // About a packet of the other direction, or of a tunnel to a server.
  const inside = buildBytes(record(random, wire === 'client' ? 'server' : 'client', isIpv6, 1))
  if (kind === 6) {
    const tunnel = { protocol: isIpv6 ? 41 : 4, bytes: inside }
    return { raw: tunnel }
  }
  const types = isIpv6 ? [1, 2, 3, 4, 128] : [3, 4, 5, 8, 11, 12]
  const quoted = inside.subarray(0, 28 + random(inside.length))
  return {
    icmp: { type: pick(random, types), code: random(6), rest: random(1500), payload: quoted },
  }
}

/** Cut short, with octets that are wrong, or with a wrong length; often with a right checksum. */
function spoiled(random: Random, whole: Uint8Array): Uint8Array {
  const ip = chance(random, 30) ? whole.slice(0, random(whole.length + 1)) : whole.slice()
  if (ip.length === 0) return ip
  for (let i = random(4); i > 0; i--) ip[random(Math.min(ip.length, 80))] = random(256)
  const isIpv4 = ip[0]! >>> 4 === 4 && ip.length >= 20
  if (!isIpv4) return ip
  if (chance(random, 20)) ip.set([random(64), random(256)], 6)
  const header = Math.min((ip[0]! & 15) * 4, ip.length)
  if (header >= 20 && chance(random, 80)) {
    ip.set([0, 0], 10)
    const sum = onesComplement(ip.subarray(0, header))
    ip.set([sum >>> 8, sum & 0xff], 10)
  }
  return ip
}

function checkFrame(ip: Buffer): void {
  const version = ip[0]! >>> 4
  const said = version === 4 ? ip.readUInt16BE(2) : 40 + ip.readUInt16BE(4)
  if (version !== 4 && version !== 6) throw new Error(`sent version ${version}: ${toHex(ip)}`)
  if (said !== ip.length) throw new Error(`sent ${ip.length} octets for ${said}: ${toHex(ip)}`)
  if (ip.length > 1500) throw new Error(`sent ${ip.length} octets: ${toHex(ip)}`)
  if (version === 4 && onesComplement(ip.subarray(0, (ip[0]! & 15) * 4)) !== 0)
    throw new Error(`sent a wrong header checksum: ${toHex(ip)}`)
  if (ip[version === 4 ? 8 : 7] === 0) throw new Error(`sent without a hop left: ${toHex(ip)}`)
}

/** Every connection has a timer and hangs together with its template; returns how many there are. */
function checkTable({ ipvs }: Bench): number {
  const { records, wheel } = ipvs.conns
  for (let c = AUXILIARY; c < records.high; c++) {
    if (!records.isInUse(c)) continue
    if (!wheel.isArmed(c)) throw new Error(`connection ${c} has no timer`)
    const control = records.control(c)
    if (control !== 0 && !records.isInUse(control)) throw new Error(`${c} is controlled by nobody`)
  }
  return records.size
}
