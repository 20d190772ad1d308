// Link layers as scapy writes them; cooked v2 from its description (LINKTYPE_LINUX_SLL2).
import t from 'tap'
import type { CapturedPacket } from '../../../cli/pcap/capture.js'
import { readLinkLayer } from '../../../cli/pcap/link-layer.js'
import { fromHex, toHex } from '../../fixtures/packets.js'
import { SCAPY } from '../../fixtures/scapy-packets.js'
import { scapy } from '../../fixtures/scapy.js'

const { TCP4, TCP6 } = SCAPY

function decode(linkType: number, hex: string) {
  const bytes = fromHex(hex)
  const rest = { number: 1, position: 24, timeNs: 0n, interfaceName: null }
  const packet: CapturedPacket = { ...rest, linkType, bytes, wireOctets: bytes.length }
  const link = readLinkLayer(packet)
  if (link === null || typeof link === 'string') return link
  return { ...link, ip: link.ip === null ? null : toHex(link.ip) }
}

t.test('Ethernet: addresses, groups, VLAN tags, what is not IP', async t => {
  const [plain, tagged, double, group, arp] = scapy(
    `
e = dict(src='02:00:00:00:00:02', dst='02:00:00:00:00:01')
answer([raw(p).hex() for p in (
  Ether(**e)/ip(given[0]), Ether(**e)/Dot1Q(vlan=7)/ip(given[1]),
  Ether(**e, type=0x88a8)/Dot1Q(vlan=9)/Dot1Q(vlan=7)/ip(given[0]),
  Ether(src='02:00:00:00:00:02', dst='ff:ff:ff:ff:ff:ff')/ip(given[0]), Ether(**e)/ARP())])
`,
    [TCP4, TCP6],
  ) as string[]
  const ends = { srcMac: { high: 0x0200, low: 2 }, dstMac: { high: 0x0200, low: 1 } }
  t.match(decode(1, plain!), { ...ends, ip: TCP4, etherType: 0x800, vlan: 0, delivery: null })
  t.match(decode(1, tagged!), { ...ends, ip: TCP6, etherType: 0x86dd, vlan: 7 })
  t.match(decode(1, double!), { ip: TCP4, vlan: 9 })
  t.match(decode(1, group!), { ip: TCP4, delivery: 'group' })
  t.match(decode(1, arp!), { ip: null, etherType: 0x806 })
  for (let octets = 0; octets < 14; octets++) t.equal(decode(1, plain!.slice(0, octets * 2)), null)
  for (let octets = 14; octets < 18; octets++)
    t.equal(decode(1, tagged!.slice(0, octets * 2)), null)
})

t.test('raw IP, under each of its numbers', async t => {
  for (const linkType of [101, 12, 14, 228])
    t.match(decode(linkType, TCP4), { ip: TCP4, srcMac: null, delivery: null, etherType: 0x800 })
  for (const linkType of [101, 229])
    t.match(decode(linkType, TCP6), { ip: TCP6, etherType: 0x86dd })
  t.equal(decode(101, ''), null)
})

t.test('Linux cooked: who it was for', async t => {
  const made = scapy(
    `answer([raw(CookedLinux(pkttype=k, lladdrlen=6, src=bytes.fromhex('0200000000070000'))/ip(given)).hex() for k in range(5)])`,
    TCP4,
  ) as string[]
  const deliveries = ['host', 'group', 'group', 'other', 'outgoing']
  for (const [i, hex] of made.entries())
    t.match(decode(113, hex), { ip: TCP4, delivery: deliveries[i], srcMac: { low: 7 } })
  t.equal(decode(113, made[0]!.slice(0, 30)), null)
  // protocol, reserved, interface 3, ARPHRD_ETHER, packet type, length, address
  const head = (kind: string) => `86dd 0000 00000003 0001 ${kind} 06 020000000008 0000`
  t.match(decode(276, head('00') + TCP6), { ip: TCP6, delivery: 'host', srcMac: { low: 8 } })
  t.match(decode(276, head('04') + TCP6), { delivery: 'outgoing' })
  t.equal(decode(276, head('00').slice(0, 40)), null)
})

t.test('other link types are named', async t => {
  t.match(decode(105, TCP4), /^link type 105 is not understood; known are Ethernet/)
})
