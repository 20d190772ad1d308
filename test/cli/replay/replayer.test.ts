// Captures made by scapy go through the engine; what comes out is compared with scapy's own packets.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { readCapture } from '../../../cli/pcap/reader.js'
import type { PacketEvent, TimerEvent } from '../../../cli/replay/decision.js'
import { readDocument } from '../../../cli/replay/read-configuration.js'
import { Replayer } from '../../../cli/replay/replayer.js'
import type { Summary } from '../../../cli/replay/summary.js'
import { scapy } from '../../fixtures/scapy.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-replay-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'in.pcap')

const CLIENT = "Ether(src='02:00:00:00:00:c1', dst='02:00:00:00:00:aa')"
const SERVER = "Ether(src='02:00:00:00:00:51', dst='02:00:00:00:00:aa')"

interface Seen {
  packets: PacketEvent[]
  timers: TimerEvent[]
  warnings: string[]
  summary: Summary
  /** Frames of the output, in hexadecimal, with their times in ms from the first packet on. */
  out: { hex: string; ms: number }[]
}

/** Each packet is a scapy expression with its time in seconds; packets of `expected` come back too. */
function replay(
  document: unknown,
  capture: readonly (readonly [seconds: number, expression: string])[],
  expected: readonly string[] = [],
): Seen & { expected: string[] } {
  const made = scapy(
    `
packets = []
for at, text in given['capture']:
    for p in eval(text) if text.startswith('fragment') else [eval(text)]:
        p.time = 1700000000 + at
        packets.append(p)
wrpcap(given['path'], packets)
answer([raw(eval(e)).hex() for e in given['expected']])
`,
    { path, capture, expected },
  ) as string[]
  const { configuration, faults } = readDocument(document)
  if (configuration === null) throw new Error(JSON.stringify(faults))
  const seen: Omit<Seen, 'summary'> = { packets: [], timers: [], warnings: [], out: [] }
  const summaries: Summary[] = []
  const replayer = new Replayer({
    configuration,
    report: {
      packet: event => void seen.packets.push(event),
      timers: event => void seen.timers.push(event),
      warning: text => void seen.warnings.push(text),
      summary: summary => void summaries.push(summary),
    },
    write: (timeNs, frame) => {
      const ms = Number(timeNs - 1_700_000_000_000_000_000n) / 1e6
      seen.out.push({ hex: Buffer.from(frame).toString('hex'), ms })
    },
  })
  for (const packet of readCapture(path)) replayer.packet(packet)
  replayer.finish()
  return { ...seen, summary: summaries[0]!, expected: made }
}

const IP = (hex: string): string => hex.slice(28)

const server = (address: string, rest: object = {}) => ({ address, ...rest })

function web(realServers: object, rest: object = {}) {
  const service = { protocol: 'tcp', address: '198.51.100.10', port: 80, scheduler: 'rr' }
  return { virtualServices: { web: { ...service, ...rest, realServers } } }
}

t.test('a TCP connection by NAT, both ways, until its timer ends it', async t => {
  const ends = `IP(src='192.0.2.9',dst='198.51.100.10',flags='DF'`
  const back = `IP(src='10.0.0.1',dst='192.0.2.9'`
  const seen = replay(
    web({ a: server('10.0.0.1', { port: 8080 }) }),
    [
      [0, `${CLIENT}/${ends})/TCP(sport=4000,dport=80,flags='S',seq=7)`],
      [0.01, `${SERVER}/${back})/TCP(sport=8080,dport=4000,flags='SA',seq=99,ack=8)`],
      [0.02, `${CLIENT}/${ends})/TCP(sport=4000,dport=80,flags='PA',seq=8,ack=100)/b'GET /'`],
      [0.03, `${CLIENT}/${ends})/TCP(sport=4000,dport=80,flags='R',seq=13)`],
      [60, `${CLIENT}/ARP()`],
    ],
    [
      `IP(src='192.0.2.9',dst='10.0.0.1',flags='DF',ttl=63)/TCP(sport=4000,dport=8080,flags='S',seq=7)`,
      `IP(src='198.51.100.10',dst='192.0.2.9',ttl=63)/TCP(sport=80,dport=4000,flags='SA',seq=99,ack=8)`,
      `IP(src='192.0.2.9',dst='10.0.0.1',flags='DF',ttl=63)/TCP(sport=4000,dport=8080,flags='PA',seq=8,ack=100)/b'GET /'`,
      `IP(src='192.0.2.9',dst='10.0.0.1',flags='DF',ttl=63)/TCP(sport=4000,dport=8080,flags='R',seq=13)`,
    ],
  )
  t.same(
    seen.out.map(({ hex }) => IP(hex)),
    seen.expected,
  )
  t.same(
    seen.out.map(({ ms }) => Math.round(ms)),
    [0, 10, 20, 30],
  )
  // The client's and then the server's hardware address are those of the capture.
  t.match(seen.out[1]!.hex, /^0200000000c1/)
  t.match(seen.out[2]!.hex, /^020000000051/)
  const decisions = seen.packets.map(p => p.decision)
  t.match(decisions[0], {
    ...{ direction: 'in', verdict: 'forwarded', scheduled: true, reasons: [] },
    service: { name: 'web', key: 'tcp 198.51.100.10:80', scheduler: 'rr' },
    server: { name: 'a', endpoint: '10.0.0.1:8080', forwarding: 'masq', weight: 1, activeConns: 1 },
    connection: { isNew: true, stateBefore: null, stateAfter: 'SYN_RECV', expiresInSeconds: 60 },
  })
  t.match(decisions[1], { direction: 'out', connection: { isNew: false, stateAfter: 'SYN_RECV' } })
  t.match(decisions[2], { connection: { stateBefore: 'SYN_RECV', stateAfter: 'ESTABLISHED' } })
  t.match(decisions[3], { connection: { stateBefore: 'ESTABLISHED', stateAfter: 'CLOSE' } })
  t.match(seen.packets[4], { skipped: { reason: 'notIp' }, decision: null, sent: [] })
  // CLOSE lasts ten seconds; a kernel timer fires at most an eighth late.
  t.equal(seen.timers.length, 1)
  t.match(seen.timers[0], { expired: 1, sent: [] })
  const late = seen.timers[0]!.seconds - 10.03
  t.ok(late >= -0.01 && late < 1.3, `${late} s late`)
  t.match(seen.summary, {
    ...{ packetsIn: 5, packetsOut: 4, dropped: {}, skipped: { notIp: 1 } },
    ...{ verdicts: { forwarded: 4 }, connections: { made: 1, left: 0 } },
    services: [
      { name: 'web', servers: [{ name: 'a', statistics: { conns: 1, inPkts: 3, outPkts: 1 } }] },
    ],
  })
})

t.test('UDP, SCTP and IPv6, and direct routing changes nothing but the hop', async t => {
  const document = {
    virtualServices: {
      dns: {
        ...{ protocol: 'udp', address: '2001:db8:1::10', port: 53, scheduler: 'rr' },
        realServers: { a: { address: '2001:db8::5', port: 5353 } },
      },
      sig: {
        ...{ protocol: 'sctp', address: '198.51.100.10', port: 2905, scheduler: 'rr' },
        realServers: { s: { address: '10.0.0.7', port: 99 } },
      },
      direct: {
        ...{ protocol: 'tcp', address: '2001:db8:1::10', port: 443, scheduler: 'rr' },
        realServers: { d: { address: '2001:db8::6', forwarding: 'dr' } },
      },
      each: {
        ...{ protocol: 'udp', address: '198.51.100.10', port: 514, onePacket: true },
        realServers: { log: { address: '10.0.0.8' } },
      },
    },
  }
  const six = `IPv6(src='2001:db8:c::9',dst='2001:db8:1::10')`
  const four = `IP(src='192.0.2.9',dst='198.51.100.10')`
  const init = `SCTPChunkInit(init_tag=5,a_rwnd=65536,n_out_streams=1,n_in_streams=1,init_tsn=1)`
  const seen = replay(
    document,
    [
      [0, `${CLIENT}/${six}/UDP(sport=4000,dport=53)/b'odd'`],
      [1, `${CLIENT}/${four}/SCTP(sport=4000,dport=2905)/${init}`],
      [2, `${CLIENT}/${six}/TCP(sport=4000,dport=443,flags='S')`],
      [3, `${CLIENT}/${four}/UDP(sport=4000,dport=514)/b'line'`],
    ],
    [
      `IPv6(src='2001:db8:c::9',dst='2001:db8::5',hlim=63)/UDP(sport=4000,dport=5353)/b'odd'`,
      `IP(src='192.0.2.9',dst='10.0.0.7',ttl=63)/SCTP(sport=4000,dport=99)/${init}`,
      `IPv6(src='2001:db8:c::9',dst='2001:db8:1::10',hlim=63)/TCP(sport=4000,dport=443,flags='S')`,
      `IP(src='192.0.2.9',dst='10.0.0.8',ttl=63)/UDP(sport=4000,dport=514)/b'line'`,
    ],
  )
  t.same(
    seen.out.map(({ hex }) => IP(hex)),
    seen.expected,
  )
  t.match(
    seen.packets.map(p => p.decision),
    [
      { server: { name: 'a' }, connection: { stateAfter: 'UDP', expiresInSeconds: 300 } },
      { server: { name: 's' }, connection: { stateAfter: 'INIT1' } },
      { server: { name: 'd', forwarding: 'dr' }, connection: { stateAfter: 'SYN_RECV' } },
      { server: { name: 'log' }, connection: null, scheduled: true, verdict: 'forwarded' },
    ],
  )
})

t.test('tunnels: IP in IP, GRE, GUE', async t => {
  const tunnel = (port: number, options: object) => ({
    ...{ protocol: 'tcp', address: '198.51.100.10', port, scheduler: 'rr' },
    realServers: { t: { address: '10.0.0.7', forwarding: 'tunnel', tunnel: options } },
  })
  const document = {
    virtualServices: {
      ipip: tunnel(1, {}),
      gre: tunnel(2, { type: 'gre' }),
      gue: tunnel(3, { type: 'gue', port: 6080 }),
    },
  }
  const inner = (port: number, ttl: number) =>
    `IP(src='192.0.2.9',dst='198.51.100.10',ttl=${ttl})/TCP(sport=4000,dport=${port},flags='S')`
  const seen = replay(
    document,
    [1, 2, 3].map(port => [port, `${CLIENT}/${inner(port, 64)}`] as const),
    [1, 2, 3].map(port => inner(port, 63)),
  )
  for (const [i, { hex }] of seen.out.entries())
    t.ok(hex.endsWith(seen.expected[i]!), 'the client’s packet is carried as it is, one hop older')
  const outer = scapy(
    `answer([[p.src, p.dst, p.proto, p.payload.name] for p in map(ip, given)])`,
    seen.out.map(({ hex }) => IP(hex)),
  )
  t.match(outer, [
    ['198.51.100.10', '10.0.0.7', 4, 'IP'],
    ['198.51.100.10', '10.0.0.7', 47, 'GRE'],
    ['198.51.100.10', '10.0.0.7', 17, 'UDP'],
  ])
  t.match(
    seen.packets[0]!.sent[0]!.text,
    /ipip \[ip 192\.0\.2\.9\.4000 > 198\.51\.100\.10\.1: tcp S/,
  )
})

t.test('fragments wait for each other; a datagram that stays incomplete is answered', async t => {
  const document = {
    virtualServices: {
      dns: {
        ...{ protocol: 'udp', address: '198.51.100.10', port: 53, scheduler: 'rr' },
        realServers: { a: { address: '10.0.0.1' } },
      },
    },
  }
  const datagram = (id: number, dst: string) =>
    `IP(src='192.0.2.9',dst='${dst}',id=${id})/UDP(sport=5,dport=53)/(b'x'*3000)`
  const seen = replay(document, [
    [0, `fragment(${CLIENT}/${datagram(7, '198.51.100.10')},1400)`],
    [1, `fragment(${CLIENT}/${datagram(8, '198.51.100.10')},1400)[:1]`],
    [100, `${CLIENT}/ARP()`],
  ])
  t.same(
    seen.packets.map(p => p.decision?.verdict ?? null),
    ['held', 'held', 'forwarded', 'held', null],
  )
  t.match(seen.packets[2]!.decision, { connection: { isNew: true, client: '192.0.2.9:5' } })
  t.equal(seen.packets[2]!.sent.length, 3)
  // The kernel gives fragments 30 seconds, then says time exceeded with the first one.
  const answer = seen.timers.find(each => each.sent.length > 0)
  t.match(answer?.sent[0], { text: /198\.51\.100\.10 > 192\.0\.2\.9: icmp .*reassembly/ })
  t.ok(Math.abs(answer!.seconds - 31) < 0.6, `at ${answer?.seconds} s`)
})

t.test('drops and answers name their reason', async t => {
  const document = {
    virtualServices: {
      web: { protocol: 'tcp', address: '198.51.100.10', port: 80 },
      up: {
        ...{ protocol: 'tcp', address: '198.51.100.10', port: 81 },
        realServers: { a: { address: '10.0.0.1' } },
      },
    },
  }
  const to = (rest: string) => `IP(src='192.0.2.9',dst='198.51.100.10'${rest})`
  const seen = replay(document, [
    [0, `${CLIENT}/${to('')}/TCP(sport=4000,dport=80,flags='S')`],
    [1, `${CLIENT}/${to(',ttl=1')}/TCP(sport=4000,dport=81,flags='S')`],
    [2, `${CLIENT}/${to(',chksum=1')}/TCP(sport=4000,dport=81,flags='S')`],
    [3, `${CLIENT}/${to('')}/TCP(sport=4001,dport=81,flags='A')`],
    [4, `${CLIENT}/Dot1Q(vlan=7)/${to('')}/TCP(sport=4001,dport=81,flags='S')`],
    [5, `Ether(src='02:00:00:00:00:c1',dst='ff:ff:ff:ff:ff:ff')/${to('')}/TCP(dport=81)`],
    [6, `${CLIENT}/${to('')}/UDP(sport=4000,dport=81)`],
    [
      7,
      `Ether(src='02:00:00:00:00:aa',dst='02:00:00:00:00:51')/IP(src='192.0.2.9',dst='10.0.0.1')/TCP()`,
    ],
  ])
  t.match(
    seen.packets.map(p => [p.decision?.verdict ?? p.skipped?.reason, p.decision?.reasons]),
    [
      ['dropped', ['noDest']],
      ['dropped', ['ttlExpired']],
      ['dropped', ['badIpChecksum']],
      ['answered', []],
      ['dropped', ['vlan']],
      ['dropped', ['notForUs']],
      ['host', []],
      ['outgoing', undefined],
    ],
  )
  t.match(seen.packets[0]!.sent, [{ text: /192\.0\.2\.9: icmp unreachable port/ }])
  t.match(seen.packets[3]!.sent, [{ text: /198\.51\.100\.10\.81 > 192\.0\.2\.9\.4001: tcp R/ }])
  t.match(seen.summary.dropped, { noDest: 1, badIpChecksum: 1, vlan: 1, notForUs: 1 })
})

t.test('persistence and marks', async t => {
  const document = {
    ...web(
      { a: server('10.0.0.1'), b: server('10.0.0.2') },
      { persistence: { timeoutSeconds: 90 } },
    ),
    markRules: { m: { mark: 5, addressFamily: 'ipv4', destination: '203.0.113.0/24' } },
  }
  const services: Record<string, object> = document.virtualServices
  services.marked = {
    ...{ fwmark: 5, addressFamily: 'ipv4', scheduler: 'rr' },
    realServers: { m: { address: '10.0.0.3', port: 0, forwarding: 'dr' } },
  }
  const syn = (dst: string, sport: number) =>
    `${CLIENT}/IP(src='192.0.2.9',dst='${dst}')/TCP(sport=${sport},dport=80,flags='S')`
  const seen = replay(document, [
    [0, syn('198.51.100.10', 4000)],
    [1, syn('198.51.100.10', 4001)],
    [2, syn('203.0.113.7', 4002)],
  ])
  const [first, second, third] = seen.packets.map(p => p.decision!)
  t.match(first!.connection!.template, { isNew: true, client: '192.0.2.9' })
  t.match(second!.connection!.template, { isNew: false })
  t.equal(second!.server!.name, first!.server!.name)
  t.match(third, { mark: 5, service: { name: 'marked' }, server: { name: 'm' } })
})

t.test('a described network: ports, gateways, hardware addresses', async t => {
  const document = {
    ...web({ a: server('10.0.0.1') }),
    network: {
      interfaces: [
        { name: 'eth0', mac: '02:00:00:00:00:aa', addresses: ['192.0.2.1/24'] },
        { name: 'eth1', mac: '02:00:00:00:00:bb', mtu: 1400, addresses: ['10.0.0.254/24'] },
      ],
      routes: [{ destination: '0.0.0.0/0', via: '192.0.2.254' }],
      neighbours: [{ address: '10.0.0.1', mac: '02:00:00:00:01:01' }],
    },
  }
  const far = `IP(src='203.0.113.9',dst='198.51.100.10',flags='DF')`
  const seen = replay(document, [
    [
      0,
      `Ether(src='02:00:00:00:00:fe',dst='02:00:00:00:00:aa')/${far}/TCP(sport=1,dport=80,flags='S')`,
    ],
    [
      1,
      `Ether(src='02:00:00:00:77:77',dst='02:00:00:00:00:bb')/IP(src='10.0.0.1',dst='203.0.113.9')/TCP(sport=80,dport=1,flags='SA')`,
    ],
    [
      2,
      `Ether(src='02:00:00:00:00:fe',dst='02:00:00:00:00:aa')/${far}/TCP(sport=1,dport=80,flags='A')/(b'x'*1400)`,
    ],
    [
      3,
      `Ether(src='02:00:00:00:00:fe',dst='02:00:00:00:00:cc')/${far}/TCP(sport=2,dport=80,flags='S')`,
    ],
  ])
  t.same(
    seen.packets.map(p => [
      p.interfaceName,
      p.sent.map(s => [s.interfaceName, s.srcMac, s.dstMac]),
    ]),
    [
      ['eth0', [['eth1', '02:00:00:00:00:bb', '02:00:00:00:01:01']]],
      // The router's address is learnt from the client's packet; the server's was given.
      ['eth1', [['eth0', '02:00:00:00:00:aa', '02:00:00:00:00:fe']]],
      ['eth0', [['eth0', '02:00:00:00:00:aa', '02:00:00:00:00:fe']]],
      ['eth0', []],
    ],
  )
  t.match(seen.packets[2]!.sent[0]!.text, /198\.51\.100\.10 > 203\.0\.113\.9: icmp .*mtu 1400/)
  t.match(seen.packets[3]!.decision, { verdict: 'dropped', reasons: ['notForUs'] })
})

t.test('packets that offload had merged go through whole, with good checksums', async t => {
  const ends = `IP(src='192.0.2.9',dst='198.51.100.10',flags='DF')`
  const head = `TCP(sport=4000,dport=80`
  const seen = replay(
    web({ a: server('10.0.0.1') }),
    [
      [0, `${CLIENT}/${ends}/${head},flags='S',seq=1,options=[('MSS',1460)])`],
      // A partial checksum: the sum over the pseudo-header alone, as a capture on veth has it.
      [
        1,
        `${CLIENT}/${ends}/${head},flags='A',seq=2,chksum=(lambda s: ((s & 0xffff) + (s >> 16)))(0xc000+0x0209+0xc633+0x640a+6+20+4000))/(b'x'*4000)`,
      ],
    ],
    [
      `IP(src='192.0.2.9',dst='10.0.0.1',flags='DF',ttl=63)/${head},flags='S',seq=1,options=[('MSS',1460)])`,
      `IP(src='192.0.2.9',dst='10.0.0.1',flags='DF',ttl=63)/${head},flags='A',seq=2)/(b'x'*4000)`,
    ],
  )
  t.same(
    seen.out.map(({ hex }) => IP(hex)),
    seen.expected,
  )
})

t.test('clocks that jump: far ahead, and back', async t => {
  const syn = (sport: number) =>
    `${CLIENT}/IP(src='192.0.2.9',dst='198.51.100.10')/TCP(sport=${sport},dport=80,flags='S')`
  const seen = replay(web({ a: server('10.0.0.1') }), [
    [0, syn(1)],
    [2_000_000_000, syn(2)],
    [1_999_999_999, syn(3)],
  ])
  t.match(seen.warnings, [/1 gaps of more than 32 days were cut/, /1 packets were older/])
  t.match(seen.summary, { connections: { made: 3, left: 2 } })
  // Written with the capture's own time, whatever the engine's clock says.
  t.same(
    seen.out.map(({ ms }) => Math.round(ms / 1000)),
    [0, 2_000_000_000, 2_000_000_000],
  )
})

t.test('no system library is loaded: no sockets, no privileges', async t => {
  t.notMatch(readFileSync('/proc/self/maps', 'utf8'), /koffi/)
})
