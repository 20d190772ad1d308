// What translation leaves alone, and how it changes the rest, held against the kernel's nftables DNAT:
// the same random packets through both, and random answers back, must come out octet for octet alike.
// One difference is IPVS's own: it gives a UDP datagram without a checksum one.
import t from 'tap'
import { KernelTwin, VIP, type Wire } from '../../fixtures/kernel-twin.js'
import { buildBytes, onesComplement, toHex, type PacketRecord } from '../../fixtures/packets.js'
import { Random } from '../../fixtures/seed.js'
import { Director } from '../../golden/director.js'
import { makeDriver } from '../../golden/topology.js'

const CLIENT = { ipv4: '10.1.0.1', ipv6: '2001:db8:1::1' }
const SERVER = { ipv4: '192.168.10.11', ipv6: '2001:db8:10::11' }
const LAB = {
  ...{ vips: [VIP.ipv4], vips6: [VIP.ipv6], mtu_s: 1500, mtu_c: 1500, icmp_ratelimit: 0 },
}
const FAMILIES = ['ipv4', 'ipv6'] as const
type Family = (typeof FAMILIES)[number]
const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const
type Protocol = (typeof PROTOCOLS)[number]
const VPORT = 81
const DPORT = 8080
const PER_KIND = 100
/** Options that nobody on the way does anything about (RFC 6814 has retired most). */
const IPV4_OPTIONS = [
  [],
  [1, 1, 1, 1],
  [0x94, 4, 0, 0],
  [0x82, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0],
  [0x88, 4, 1, 2],
  [0x9e, 4, 7, 7],
  [0x1e, 6, 1, 2, 3, 4, 0, 0],
]
const TCP_OPTIONS = [[], [2, 4, 5, 0xb4], [8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 1], [254, 4, 9, 9]]

const twin = await KernelTwin.start()
t.teardown(() => twin.stop())
// Connection tracking would leave out what has a bad checksum; IPVS does not look.
twin.router.sysctl('net/netfilter/nf_conntrack_checksum', '0')
twin.rules(
  FAMILIES.map(family => {
    const ip = family === 'ipv4' ? 'ip' : 'ip6'
    const to = family === 'ipv4' ? SERVER.ipv4 : `[${SERVER.ipv6}]`
    return `table ${ip} nat { chain pre {
      type nat hook prerouting priority -100;
      ${ip} daddr ${VIP[family]} meta l4proto { tcp, udp, sctp } th dport ${VPORT} dnat to ${to}:${DPORT}
    }
  }`
  }).join('\n'),
)

async function engine(): Promise<Director> {
  const director = new Director(LAB, makeDriver)
  for (const family of FAMILIES) {
    const at = (address: string) => (family === 'ipv4' ? address : `[${address}]`)
    for (const letter of ['t', 'u', '-sctp-service ']) {
      const service = `-${letter} ${at(VIP[family])}:${VPORT}`
      await director.command(`ipvsadm -A ${service} -s rr`)
      await director.command(`ipvsadm -a ${service} -r ${at(SERVER[family])}:${DPORT} -m`)
    }
  }
  return director
}

interface Flow {
  family: Family
  protocol: Protocol
  /** The client's; each has one of its own, by which its packets are told apart. */
  port: number
}

/** One flow's opening, or the answer to it, with everything else at random. */
function packet(random: Random, { family, protocol, port }: Flow, isAnswer: boolean): Uint8Array {
  const [src, dst] = isAnswer ? [SERVER[family], CLIENT[family]] : [CLIENT[family], VIP[family]]
  const ports = isAnswer ? { srcPort: DPORT, dstPort: port } : { srcPort: port, dstPort: VPORT }
  const payload = random.bytes(random.pick([0, 1, 2, 9, 64, 1000]))
  const record: PacketRecord = {
    ...{ src, dst, ttl: random.pick([2, 3, 64, 128, 255]), tos: random.integer(0, 255) },
    ...{ flowLabel: random.integer(0, 0xfffff), id: random.integer(0, 0xffff) },
    ...{ df: random.boolean(), options: random.pick(IPV4_OPTIONS) },
    ...transportOf(random, protocol, ports, payload, isAnswer),
  }
  const ip = Buffer.from(buildBytes(record))
  // Reserved bits, which nobody has a right to change: RFC 791's, and TCP's.
  if (family === 'ipv4' && random.boolean()) {
    ip[6]! |= 0x80
    ip.writeUInt16BE(0, 10)
    ip.writeUInt16BE(onesComplement(ip.subarray(0, headerOctets(ip))), 10)
  }
  if (protocol === 'tcp' && random.boolean()) ip[headerOctets(ip) + 12]! |= random.integer(0, 15)
  if (protocol !== 'sctp') spoil(random, ip, protocol === 'tcp' ? 16 : 6, isAnswer, family)
  return ip
}

function transportOf(
  random: Random,
  protocol: Protocol,
  ports: { srcPort: number; dstPort: number },
  payload: Uint8Array,
  isAnswer: boolean,
): Pick<PacketRecord, Protocol> {
  if (protocol === 'udp') return { udp: { ...ports, payload } }
  if (protocol === 'tcp') {
    // Connection tracking takes no urgent answer to an opening.
    const flags = `S${isAnswer ? '.' : random.pick(['', 'U'])}${random.pick(['', 'E', 'W'])}`
    const numbers = { seq: isAnswer ? random.word() >>> 0 : 7, ack: isAnswer ? 8 : 0 }
    const others = { window: random.integer(0, 0xffff), urgent: random.integer(0, 0xffff) }
    return { tcp: { ...ports, ...numbers, ...others, flags, options: random.pick(TCP_OPTIONS) } }
  }
  // INIT and INIT ACK (RFC 9260 section 3.3.2): tag, window, streams, first number, parameters.
  const value = Uint8Array.from([0, 0, 0, 5, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 9])
  return { sctp: { ...ports, tag: isAnswer ? 5 : 0, chunks: [{ type: isAnswer ? 2 : 1, value }] } }
}

const headerOctets = (ip: Uint8Array): number => (ip[0]! >>> 4 === 6 ? 40 : (ip[0]! & 15) * 4)

/**
 * Puts another checksum in: none (UDP), anything, or one that the translation makes zero, or the
 * next to zero on either side (RFC 1624 section 3, RFC 768).
 */
function spoil(random: Random, ip: Buffer, at: number, isAnswer: boolean, family: Family): void {
  const words = (address: string, port: number): number => {
    const octets = buildBytes({
      src: address,
      dst: address,
      ...{ raw: { protocol: 59, bytes: new Uint8Array() } },
    })
    const source = family === 'ipv4' ? octets.subarray(12, 16) : octets.subarray(8, 24)
    return ~onesComplement([...source, port >>> 8, port & 255]) & 0xffff
  }
  const before = isAnswer ? words(SERVER[family], DPORT) : words(VIP[family], VPORT)
  const after = isAnswer ? words(VIP[family], VPORT) : words(SERVER[family], DPORT)
  // What has to stand there so that the sum is all ones once `before` is replaced.
  const toZero = (after - before + 0xffff) % 0xffff
  const field = headerOctets(ip) + at
  const kinds = [null, null, 0, 0xffff, random.integer(0, 0xffff), toZero, toZero + 1, toZero - 1]
  const chosen = random.pick(kinds)
  if (chosen !== null) ip.writeUInt16BE((chosen + 0x10000) & 0xffff, field)
}

const isUnsummed = (ip: Buffer): boolean =>
  (ip[0]! >>> 4 === 6 ? ip[6] : ip[9]) === 17 && ip.readUInt16BE(headerOctets(ip) + 6) === 0

/** IPVS gives a datagram without a checksum one (udp_snat_handler, udp_dnat_handler). */
function summed(ip: Buffer): Buffer {
  const at = headerOctets(ip)
  const udp = ip.subarray(at)
  const addresses = at === 40 && ip[0]! >>> 4 === 6 ? ip.subarray(8, 40) : ip.subarray(12, 20)
  const pseudo = [...addresses, 0, 17, udp.length >>> 8, udp.length & 0xff]
  const result = Buffer.from(ip)
  // RFC 768: a computed zero is sent as all ones.
  result.writeUInt16BE(onesComplement([...pseudo, ...udp]) || 0xffff, at + 6)
  return result
}

/** By protocol and the client's port, which no translation here changes. */
function byFlow(packets: readonly Uint8Array[], portAt: 0 | 2): Map<string, string> {
  return new Map(
    packets.map(octets => {
      const ip = Buffer.from(octets)
      const protocol = ip[0]! >>> 4 === 6 ? ip[6]! : ip[9]!
      return [`${protocol} ${ip.readUInt16BE(headerOctets(ip) + portAt)}`, toHex(ip)]
    }),
  )
}

t.test('translated packets are as the kernel’s, there and back', async t => {
  const random = Random.of(t)
  const director = await engine()
  let port = 10_000
  const flows = FAMILIES.flatMap(family =>
    PROTOCOLS.flatMap(protocol =>
      Array.from({ length: PER_KIND }, (): Flow => ({ family, protocol, port: port++ })),
    ),
  )
  const through = async (from: Wire, to: Wire, packets: readonly Uint8Array[]) => {
    const portAt = from === 'client' ? 0 : 2
    const wanted = byFlow((await twin.ask(from, packets))[to], portAt)
    const seen = byFlow(
      packets.flatMap(ip => {
        director.inject(from, ip)
        return director
          .take()
          .filter(frame => frame.port === to)
          .map(frame => frame.ip)
      }),
      portAt,
    )
    t.equal(wanted.size, flows.length, `all come out on the ${to}'s side`)
    const given = byFlow(packets, portAt)
    for (const [flow, hex] of given) {
      const [before, after] = [hex, wanted.get(flow) ?? ''].map(each => Buffer.from(each, 'hex'))
      if (!isUnsummed(before!)) continue
      t.ok(isUnsummed(after!), 'the kernel leaves UDP without a checksum so')
      wanted.set(flow, toHex(summed(after!)))
    }
    const other = [...wanted].filter(([flow, hex]) => seen.get(flow) !== hex)
    const told = other.slice(0, 5).map(([flow, kernel]) => ({
      flow,
      given: given.get(flow),
      kernel,
      sluice: seen.get(flow),
    }))
    t.strictSame(told, [], `${other.length} differ`)
  }
  await through(
    'client',
    'server',
    flows.map(flow => packet(random, flow, false)),
  )
  await through(
    'server',
    'client',
    flows.map(flow => packet(random, flow, true)),
  )
})
