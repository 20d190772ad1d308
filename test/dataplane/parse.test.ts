import t from 'tap'
import { COUNTER_NAMES } from '../../dataplane/counters.js'
import { Flow, Packet } from '../../dataplane/packet.js'
import { parse, parseQuoted, QuotedPacket } from '../../dataplane/parse.js'
import * as address from '../../dataplane/wire/address.js'
import * as ipv4 from '../../dataplane/wire/ipv4.js'
import { build, fromHex, onesComplement, packetOf, type PacketRecord } from '../fixtures/packets.js'
import { SCAPY } from '../fixtures/scapy-packets.js'
import { Random } from '../fixtures/seed.js'

const V4 = { src: '192.0.2.9', dst: '198.51.100.1' }
const V6 = { src: '2001:db8::9', dst: '2001:db8::80' }
const PORTS = { srcPort: 31337, dstPort: 80 }
const SYN = { tcp: PORTS }

/** The name of the drop counter, or `fine`. */
function verdict(pkt: Packet): string {
  const reason = parse(pkt)
  return reason === 0 ? 'fine' : COUNTER_NAMES[reason]!
}

const flowText = (f: Flow) =>
  [
    `${f.protocol} ${address.format(f.family, f.src0, f.src1, f.src2, f.src3)}.${f.srcPort}`,
    `${address.format(f.family, f.dst0, f.dst1, f.dst2, f.dst3)}.${f.dstPort}`,
  ].join(' > ')

/** Changes an IPv4 header and puts its checksum right again. */
function patched(record: PacketRecord, change: (v: DataView, l3: number) => void): Packet {
  const pkt = build(record)
  change(pkt.view, pkt.l3)
  ipv4.setChecksum(pkt.view, pkt.l3, 0)
  const header = pkt.bytes.subarray(pkt.l3, pkt.l3 + ipv4.headerLength(pkt.view, pkt.l3))
  ipv4.setChecksum(pkt.view, pkt.l3, onesComplement(header))
  return pkt
}

t.test('flows and offsets of packets that scapy made', async t => {
  const cases: readonly [name: keyof typeof SCAPY, flow: string, header: number][] = [
    ['TCP4', '6 192.0.2.9.31337 > 198.51.100.1.80', 20],
    ['TCP4_OPTIONS', '6 192.0.2.9.1 > 198.51.100.1.2', 36],
    ['UDP4', '17 192.0.2.9.5353 > 198.51.100.1.53', 20],
    ['SCTP4', '132 192.0.2.9.2905 > 198.51.100.1.3868', 20],
    ['ICMP4_ECHO', '1 192.0.2.9.0 > 198.51.100.1.0', 20],
    ['TCP6', '6 2001:db8::9.31337 > 2001:db8:1::80.443', 40],
    ['UDP6_EXTENSIONS', '17 2001:db8::9.1 > 2001:db8:1::80.2', 88],
    ['FRAGMENT6', '17 2001:db8::9.0 > 2001:db8:1::80.0', 48],
    ['ICMPV6_TOO_BIG', '58 2001:db8::7.0 > 2001:db8::9.0', 40],
    ['GRE4', '47 10.0.0.1.0 > 10.0.0.7.0', 20],
  ]
  for (const [name, flow, header] of cases) {
    // Ethernet padding behind the datagram is cut off.
    const pkt = packetOf(fromHex(SCAPY[name]), 9)
    t.equal(verdict(pkt), 'fine', name)
    t.equal(flowText(pkt.flow), flow)
    t.equal(pkt.l4 - pkt.l3, header)
    t.equal(pkt.end - pkt.l3, SCAPY[name].length / 2)
    t.equal(pkt.fragmentOffset, name === 'FRAGMENT6' ? 1480 : 0)
    t.equal(pkt.moreFragments, name === 'FRAGMENT6')
  }
})

t.test('what the host drops silently before IPVS, it drops by name', async t => {
  const cases: readonly [name: string, want: string, pkt: Packet][] = [
    ['version 5', 'badIpHeader', patched({ ...V4, ...SYN }, (v, at) => v.setUint8(at, 0x55))],
    ['IHL 4', 'badIpHeader', patched({ ...V4, ...SYN }, (v, at) => v.setUint8(at, 0x44))],
    ['IHL beyond the packet', 'truncated', patched({ ...V4 }, (v, at) => v.setUint8(at, 0x46))],
    [
      'total below header',
      'badIpHeader',
      patched({ ...V4, ...SYN }, (v, at) => v.setUint16(at + 2, 19)),
    ],
    [
      'total beyond data',
      'truncated',
      patched({ ...V4, ...SYN }, (v, at) => v.setUint16(at + 2, 41)),
    ],
    ['record route', 'fine', build({ ...V4, ...SYN, options: [7, 7, 4, 0, 0, 0, 0, 0] })],
    [
      'fragment beyond 65535',
      'badIpHeader',
      patched({ ...V4, ...SYN }, (v, at) => v.setUint16(at + 6, 0x1fff)),
    ],
    [
      '10 octets of TCP',
      'badTransportHeader',
      build({ ...V4, raw: { protocol: 6, bytes: new Uint8Array(10) } }),
    ],
    [
      '19 octets of TCP',
      'badTransportHeader',
      build({ ...V4, raw: { protocol: 6, bytes: new Uint8Array(19) } }),
    ],
    [
      '7 octets of UDP',
      'badTransportHeader',
      build({ ...V4, raw: { protocol: 17, bytes: new Uint8Array(7) } }),
    ],
    [
      '11 octets of SCTP',
      'badTransportHeader',
      build({ ...V4, raw: { protocol: 132, bytes: new Uint8Array(11) } }),
    ],
    [
      '11 octets of SCTP over IPv6',
      'badTransportHeader',
      build({ ...V6, raw: { protocol: 132, bytes: new Uint8Array(11) } }),
    ],
    ['nothing of GRE', 'fine', build({ ...V4, raw: { protocol: 47, bytes: new Uint8Array() } })],
    [
      'data offset 4',
      'fine',
      build({ ...V4, raw: { protocol: 6, bytes: new Uint8Array(20).fill(0x40) } }),
    ],
    ['UDP length 0', 'fine', build({ ...V4, raw: { protocol: 17, bytes: new Uint8Array(8) } })],
    ['no next header', 'fine', build({ ...V6 })],
    ['jumbogram', 'truncated', jumbogram()],
    ['segments left: for IPVS, as in the kernel', 'fine', routed(1)],
    ['routing header used up', 'fine', routed(0)],
    ['IPv6 fragment of odd length', 'badIpHeader', fragment6(0, true, 15)],
    ['last IPv6 fragment of odd length', 'fine', fragment6(8, false, 15)],
    ['IPv6 fragment beyond 65535', 'badIpHeader', fragment6(0xfff8, false, 16)],
  ]
  for (const [name, want, pkt] of cases) t.equal(verdict(pkt), want, name)
})

t.test('sources that no host on the wire has', async t => {
  for (const src of [
    '0.0.0.0',
    '127.0.0.1',
    '127.255.255.255',
    '224.0.0.5',
    '239.1.1.1',
    '255.255.255.255',
  ]) {
    t.equal(verdict(build({ ...V4, src, ...SYN })), 'martianSource', src)
  }
  for (const src of ['0.0.0.1', '126.1.1.1', '128.0.0.1', '223.255.255.255', '240.0.0.1']) {
    t.equal(verdict(build({ ...V4, src, ...SYN })), 'fine', src)
  }
  for (const src of ['::', '::1', 'ff02::1', '::ffff:192.0.2.9']) {
    t.equal(verdict(build({ ...V6, src, ...SYN })), 'martianSource', src)
  }
  for (const src of ['::2', 'fe80::1', '2001:db8::1', '0:0:0:1::1']) {
    t.equal(verdict(build({ ...V6, src, ...SYN })), 'fine', src)
  }
})

t.test('a bit anywhere in the IPv4 header spoils its checksum', async t => {
  for (let bit = 8; bit < 160; bit++) {
    const pkt = build({ ...V4, ...SYN, id: 77 })
    const at = pkt.l3 + (bit >>> 3)
    pkt.view.setUint8(at, pkt.view.getUint8(at) ^ (1 << (bit & 7)))
    t.equal(verdict(pkt), 'badIpChecksum', `bit ${bit}`)
  }
})

t.test('fragments: ports only in the first, and only when they are there', async t => {
  const first = patched({ ...V4, ...SYN, id: 5 }, (v, at) => v.setUint16(at + 6, ipv4.MF))
  t.equal(verdict(first), 'fine')
  t.equal(flowText(first.flow), '6 192.0.2.9.31337 > 198.51.100.1.80')
  t.ok(first.moreFragments)
  const later = patched({ ...V4, ...SYN, id: 5 }, (v, at) => v.setUint16(at + 6, 3))
  t.equal(verdict(later), 'fine')
  t.equal(flowText(later.flow), '6 192.0.2.9.0 > 198.51.100.1.0')
  t.equal(later.fragmentOffset, 24)
  t.notOk(later.moreFragments)
  const short = patched(
    { ...V4, raw: { protocol: 6, bytes: Uint8Array.from([0, 1, 0, 2, 0, 0, 0, 0]) } },
    (v, at) => v.setUint16(at + 6, ipv4.MF),
  )
  t.equal(verdict(short), 'fine', 'eight octets of TCP, more to come')
  t.equal(flowText(short.flow), '6 192.0.2.9.1 > 198.51.100.1.2')
})

t.test('truncating a packet anywhere is a counted drop and reads nothing behind it', async t => {
  for (const [name, hex] of Object.entries(SCAPY)) {
    if (name === 'ARP_FRAME') continue
    for (let cut = 1; cut <= hex.length / 2; cut++) {
      const pkt = packetOf(fromHex(hex))
      pkt.end -= cut
      // Octets behind the end that would look like a perfect packet must not be seen.
      if (parse(pkt) !== COUNTER_NAMES.indexOf('truncated')) t.fail(`${name} less ${cut}`)
    }
  }
})

t.test('a packet in the last octets of its memory is not read past', async t => {
  for (const [name, hex] of Object.entries(SCAPY)) {
    if (name === 'ARP_FRAME') continue
    const whole = packetOf(fromHex(hex))
    for (let octets = 0; octets <= hex.length / 2; octets++) {
      const pkt = new Packet(whole.bytes.slice(0, whole.l3 + octets))
      pkt.l2 = whole.l2
      pkt.l3 = whole.l3
      pkt.end = pkt.bytes.length
      t.doesNotThrow(() => parse(pkt), `${octets} octets of ${name}`)
    }
  }
})

t.test('never throws and never leaves offsets outside, whatever the octets', async t => {
  const random = Random.of(t)
  const seeds = Object.values(SCAPY).map(fromHex)
  for (let i = 0; i < 20_000; i++) {
    const bytes = random.boolean()
      ? random.pick(seeds).slice()
      : random.bytes(random.integer(0, 120))
    for (let n = random.integer(0, 6); n > 0 && bytes.length > 0; n--) {
      bytes[random.integer(0, Math.min(bytes.length - 1, 60))] = random.integer(0, 255)
    }
    if (bytes.length > 20 && bytes[0]! >>> 4 === 4 && random.boolean()) {
      // With a good header checksum more of it is looked at.
      const header = Math.min((bytes[0]! & 15) * 4, bytes.length)
      if (header >= 20) {
        bytes.set([0, 0], 10)
        const check = onesComplement(bytes.subarray(0, header))
        bytes.set([check >>> 8, check & 0xff], 10)
      }
    }
    const pkt = packetOf(bytes)
    const end = pkt.end
    if (parse(pkt) !== 0) continue
    if (pkt.end > end || pkt.l4 > pkt.end || pkt.l4 < pkt.l3 + 20)
      t.fail(Buffer.from(bytes).toString('hex'))
  }
})

t.test('reads the packet that an ICMP error quotes', async t => {
  const flow = new Flow()
  const quoted = new QuotedPacket()
  const tooBig4 = packetOf(fromHex(SCAPY.ICMP4_TOO_BIG))
  t.equal(parse(tooBig4), 0)
  t.equal(parseQuoted(tooBig4, tooBig4.l4 + 8, flow, quoted), 0)
  t.equal(flowText(flow), '6 192.0.2.9.31337 > 198.51.100.1.80')
  t.equal(quoted.l3, tooBig4.l4 + 8)
  t.equal(quoted.l4, tooBig4.l4 + 28)
  t.equal(quoted.end, tooBig4.end)
  const tooBig6 = packetOf(fromHex(SCAPY.ICMPV6_TOO_BIG))
  t.equal(parse(tooBig6), 0)
  t.equal(parseQuoted(tooBig6, tooBig6.l4 + 8, flow, quoted), 0)
  t.equal(flowText(flow), '17 2001:db8::9.5353 > 2001:db8:1::80.53')
  t.equal(quoted.l4, tooBig6.l4 + 48)
})

t.test('four octets of ports are enough of a quote, three are not', async t => {
  const flow = new Flow()
  const quoted = new QuotedPacket()
  for (const [hex, fixed] of [
    [SCAPY.ICMP4_TOO_BIG, 20],
    [SCAPY.ICMPV6_TOO_BIG, 40],
  ] as const) {
    const pkt = packetOf(fromHex(hex))
    parse(pkt)
    const at = pkt.l4 + 8
    for (let octets = 0; octets < fixed + 4; octets++) {
      pkt.end = at + octets
      t.equal(COUNTER_NAMES[parseQuoted(pkt, at, flow, quoted)], 'icmpMalformed', `${octets}`)
    }
    pkt.end = at + fixed + 4
    t.equal(parseQuoted(pkt, at, flow, quoted), 0)
    t.equal(quoted.end, pkt.end)
  }
})

t.test('quotes: later fragments, other protocols, ICMP extensions, nonsense', async t => {
  const flow = new Flow()
  const quoted = new QuotedPacket()
  const quote = (inner: Packet, extra = 0) => {
    const payload = inner.bytes.slice(inner.l3, inner.end + extra)
    const pkt = build({ ...V4, icmp: { type: 3, code: 3, payload } })
    t.equal(parse(pkt), 0)
    return COUNTER_NAMES[parseQuoted(pkt, pkt.l4 + 8, flow, quoted)]
  }
  t.equal(quote(patched({ ...V4, ...SYN }, (v, at) => v.setUint16(at + 6, 3))), 'received')
  t.equal(quoted.fragmentOffset, 24)
  t.equal(flow.srcPort, 0)
  t.equal(quote(build({ ...V4, icmp: { type: 8 } })), 'received')
  t.equal(flow.protocol, 1)
  t.equal(quote(build({ ...V4, ...SYN }), 8), 'received')
  t.equal(quoted.end - quoted.l3, 40, 'what is behind the quoted packet is not part of it')
  t.equal(quote(patched({ ...V4, ...SYN }, (v, at) => v.setUint8(at, 0x44))), 'icmpMalformed')
  t.equal(quote(patched({ ...V4, ...SYN }, (v, at) => v.setUint8(at, 0x55))), 'icmpMalformed')
  t.equal(quote(patched({ ...V4, ...SYN }, (v, at) => v.setUint16(at + 2, 19))), 'icmpMalformed')
  const bad = build({ ...V4, ...SYN })
  bad.view.setUint16(bad.l3 + 10, 0)
  t.equal(quote(bad), 'received', "the checksum of a quote is nobody's business")
})

function jumbogram(): Packet {
  const pkt = build({ ...V6, ...SYN })
  pkt.view.setUint16(pkt.l3 + 4, 0)
  return pkt
}

function routed(segmentsLeft: number): Packet {
  const bytes = [0, 2, 0, segmentsLeft, ...new Array<number>(20).fill(0)]
  return build({ ...V6, extensions: [{ protocol: 43, bytes }], ...SYN })
}

function fragment6(offset: number, more: boolean, octets: number): Packet {
  const field = offset | (more ? 1 : 0)
  const bytes = [0, 0, field >>> 8, field & 0xff, 0, 0, 0, 1]
  const raw = { protocol: 47, bytes: new Uint8Array(octets) }
  return build({ ...V6, extensions: [{ protocol: 44, bytes }], raw })
}
