import t from 'tap'
import { format, formatFrame, formatIp } from '../../dataplane/format.js'
import * as ipv4 from '../../dataplane/wire/ipv4.js'
import * as virtioNet from '../../dataplane/wire/virtio-net.js'
import { build, fromHex, packetOf } from '../fixtures/packets.js'
import { SCAPY } from '../fixtures/scapy-packets.js'
import { Random } from '../fixtures/seed.js'

// prettier-ignore
const LINES: Record<keyof typeof SCAPY, string> = {
  TCP4: 'ip 192.0.2.9.31337 > 198.51.100.1.80: tcp P. seq 4275878552 ack 16909060 win 64240 len 5 ttl 63 tos 0x10 df',
  TCP4_OPTIONS: 'ip 192.0.2.9.1 > 198.51.100.1.2: tcp S seq 0 win 8192 options 8 len 0 ttl 64 options rr,ra',
  UDP4: 'ip 192.0.2.9.5353 > 198.51.100.1.53: udp len 5 ttl 64',
  SCTP4: 'ip 192.0.2.9.2905 > 198.51.100.1.3868: sctp tag 0xdeadbeef COOKIE-ACK,DATA len 36 ttl 64',
  SCTP4_INIT: 'ip 192.0.2.9.2905 > 198.51.100.1.3868: sctp tag 0x0 INIT len 32 ttl 64',
  ICMP4_ECHO: 'ip 192.0.2.9 > 198.51.100.1: icmp echo id 4369 seq 8738 ttl 64',
  ICMP4_TOO_BIG: 'ip 10.0.0.7 > 192.0.2.9: icmp unreachable need-frag mtu 1400 [ip 192.0.2.9.31337 > 198.51.100.1.80: tcp S seq 1 win 8192 len 0 ttl 1 df] ttl 64',
  TCP6: 'ip6 2001:db8::9.31337 > 2001:db8:1::80.443: tcp S seq 7 win 8192 len 0 hlim 55 class 0xb9 label 0xabcde',
  UDP6: 'ip6 2001:db8::9.5353 > 2001:db8:1::80.53: udp len 3 hlim 64',
  UDP6_EXTENSIONS: 'ip6 2001:db8::9.1 > 2001:db8:1::80.2: udp len 2 hlim 64 ext 48',
  FRAGMENT6: 'ip6 2001:db8::9 > 2001:db8:1::80: proto 17 len 16 hlim 64 ext 8 frag 2309737967:1480:16+',
  ICMPV6_TOO_BIG: 'ip6 2001:db8::7 > 2001:db8::9: icmp6 too-big mtu 1280 [ip6 2001:db8::9.5353 > 2001:db8:1::80.53: udp len 0 hlim 64] hlim 64',
  ADVERTISEMENT: 'ip6 2001:db8::80 > ff02::1: icmp6 neighbour-advertisement 2001:db8::80 hlim 255',
  ARP_FRAME: '02:00:00:00:01:fe > ff:ff:ff:ff:ff:ff arp who-has 198.51.100.1 tell 198.51.100.1 02:00:00:00:01:fe',
  GRE4: 'ip 10.0.0.1 > 10.0.0.7: gre flags 0xa000 [ip 192.0.2.9.1 > 198.51.100.1.2: udp len 0 ttl 64] ttl 64',
  IPIP4: 'ip 10.0.0.1 > 10.0.0.7: ipip [ip 192.0.2.9.1 > 198.51.100.1.2: tcp S seq 1 win 8192 len 0 ttl 64] ttl 64',
}

// The expected lines were written by hand from the expressions in scapy-packets.ts.
for (const [name, line] of Object.entries(LINES)) {
  t.test(name, async t => {
    const bytes = fromHex(SCAPY[name as keyof typeof SCAPY])
    if (name === 'ARP_FRAME')
      t.equal(formatFrame(new DataView(bytes.buffer), 0, bytes.length), line)
    else t.equal(format(packetOf(bytes)), line)
  })
}

t.test('says what is wrong with a packet', async t => {
  const text = (change: (v: DataView, l3: number) => void) => {
    const pkt = build({ src: '192.0.2.9', dst: '198.51.100.1', tcp: { srcPort: 1, dstPort: 2 } })
    change(pkt.view, pkt.l3)
    return format(pkt)
  }
  t.match(
    text((v, at) => ipv4.setTtl(v, at, 9)),
    /ttl 9 \[bad ip checksum\]$/,
  )
  t.match(
    text((v, at) => ipv4.setTotalLength(v, at, 50)),
    /\[10 octets missing\]$/,
  )
  t.match(
    text((v, at) => ipv4.setTotalLength(v, at, 10)),
    /\[total length 10\]$/,
  )
  t.equal(
    text((v, at) => ipv4.setVersionIhl(v, at, 0x50)),
    'ip [version 5]',
  )
  t.match(
    text((v, at) => ipv4.setVersionIhl(v, at, 0x44)),
    /\[header of 16 octets\]$/,
  )
  t.match(
    text((v, at) => v.setUint8(at + 32, 0xf0)),
    /\[header of 60 octets\]/,
  )
})

t.test('shows offload and frames', async t => {
  const pkt = build({ src: '192.0.2.9', dst: '198.51.100.1', tcp: { srcPort: 1, dstPort: 2 } })
  virtioNet.setFlags(pkt.view, pkt.l2 - 10, virtioNet.NEEDS_CSUM)
  virtioNet.setGsoType(pkt.view, pkt.l2 - 10, virtioNet.GSO_TCPV4 | virtioNet.GSO_ECN)
  virtioNet.setGsoSize(pkt.view, pkt.l2 - 10, 1448)
  t.match(format(pkt), / gso tcp4 1448 ecn partial$/)
  t.match(formatFrame(pkt.view, pkt.l2, pkt.end), /^02:00:00:00:00:fe > 02:00:00:00:00:01 ip 192/)
})

t.test('takes any octets at all', async t => {
  const random = Random.of(t)
  const seeds = Object.values(SCAPY).map(fromHex)
  let longest = 0
  for (let i = 0; i < 20_000; i++) {
    const bytes = random.boolean()
      ? random.pick(seeds).slice()
      : random.bytes(random.integer(0, 150))
    for (let n = random.integer(0, 6); n > 0 && bytes.length > 0; n--) {
      bytes[random.integer(0, bytes.length - 1)] = random.integer(0, 255)
    }
    const end = random.boolean() ? bytes.length : random.integer(0, bytes.length + 20)
    // The view ends with the octets: any read behind them throws, and is a failure here.
    const v = new DataView(bytes.buffer)
    longest = Math.max(longest, formatIp(v, 0, end).length, formatFrame(v, 0, end).length)
  }
  t.ok(longest < 2000, `longest line ${longest}`)
})

t.test('truncated packets of every length are still lines', async t => {
  for (const hex of Object.values(SCAPY)) {
    const bytes = fromHex(hex)
    for (let end = 0; end <= bytes.length; end++) {
      const v = new DataView(bytes.slice(0, end).buffer)
      t.type(formatIp(v, 0, end), 'string')
    }
  }
})
