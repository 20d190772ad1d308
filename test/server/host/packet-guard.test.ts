import t, { type Test } from 'tap'
import { CommandError, run, type Run } from '../../../server/host/command.js'
import { PacketGuard, type Guarded } from '../../../server/host/packet-guard.js'
import { Namespaces, probe, type ProbeSocket } from './namespaces.js'

// client c0 -- d0 director d1 -- s0 real server; d2 -- x0 is an interface that is not Sluice's.
// Neither client nor server has addresses: their kernels stay silent, packet sockets stand for them.
const VIPS = { 4: '198.51.100.1', 6: '2001:db8:1::1' }
/** Addresses that are not the director's: packets to them are forwarded to the server's side. */
const ROUTED = { 4: '198.51.100.2', 6: '2001:db8:1::2' }
const CLIENT = { 4: '192.0.2.9', 6: '2001:db8:c::9' }
const REAL = { 4: '10.0.0.1', 6: '2001:db8:5::1' }
const DIRECTOR = { 4: '10.0.0.254', 6: '2001:db8:5::fe' }
const FAMILIES = [4, 6] as const

const spaces = new Namespaces('guard')
t.teardown(() => spaces.close())
for (const name of ['c', 's', 'x', 'd']) {
  spaces.name(name)
  if (name !== 'd') spaces.sysctl(name, 'net.ipv6.conf.default.disable_ipv6=1')
}
spaces.sysctl(
  'd',
  'net.ipv4.ip_forward=1',
  'net.ipv6.conf.all.forwarding=1',
  'net.ipv6.conf.default.accept_dad=0',
  'net.ipv4.icmp_ratelimit=0',
  'net.ipv6.icmp.ratelimit=0',
  'net.ipv4.icmp_msgs_per_sec=100000',
  'net.ipv4.conf.default.rp_filter=0',
)
for (const peer of ['c', 's', 'x']) {
  const port = { c: 'd0', s: 'd1', x: 'd2' }[peer]!
  spaces.link('d', port, peer, `${peer}0`)
}
const peerMac = (peer: string) => spaces.mac(peer, `${peer}0`)
spaces.ip(
  'd',
  'addr add 192.0.2.1/24 dev d0',
  'addr add 2001:db8:c::1/64 dev d0 nodad',
  `addr add ${DIRECTOR[4]}/24 dev d1`,
  `addr add ${DIRECTOR[6]}/64 dev d1 nodad`,
  `addr add ${VIPS[4]}/32 dev d0`,
  `addr add ${VIPS[6]}/128 dev d0 nodad`,
  'addr add 203.0.113.1/24 dev d2',
  'addr add 2001:db8:f::1/64 dev d2 nodad',
  ...FAMILIES.flatMap(family => [
    `neigh add ${CLIENT[family]} lladdr ${peerMac('c')} dev d0 nud permanent`,
    `neigh add ${REAL[family]} lladdr ${peerMac('s')} dev d1 nud permanent`,
    `route add ${ROUTED[family]} via ${REAL[family]}`,
  ]),
  `neigh add 203.0.113.9 lladdr ${peerMac('x')} dev d2 nud permanent`,
  `neigh add 2001:db8:f::9 lladdr ${peerMac('x')} dev d2 nud permanent`,
)
const socketOf = (peer: string, port: string): ProbeSocket => ({
  namespace: spaces.name(peer),
  interface: `${peer}0`,
  gateway: spaces.mac('d', port),
})
const sockets = { c: socketOf('c', 'd0'), s: socketOf('s', 'd1'), x: socketOf('x', 'd2') }
const inDirector = spaces.run('d')

const guarded: Guarded[] = FAMILIES.flatMap(family => [
  ...[VIPS[family], ROUTED[family]].flatMap(address => [
    { role: 'vip' as const, address, protocol: 'tcp' as const, port: 80 },
    { role: 'vip' as const, address, protocol: 'udp' as const, port: 53 },
  ]),
  { role: 'real' as const, address: REAL[family], protocol: 'tcp' as const, port: 8080 },
  { role: 'real' as const, address: REAL[family], protocol: 'udp' as const, port: 5353 },
])

const ip = (family: 4 | 6, src: string, dst: string, options = '') =>
  family === 4 ? `IP(src='${src}',dst='${dst}'${options})` : `IPv6(src='${src}',dst='${dst}')`

/** A UDP datagram of 2000 octets in two fragments. */
function fragments(family: 4 | 6, src: string, dst: string, id: number, udp: string): string {
  if (family === 4) return `fragment(${ip(4, src, dst, `,id=${id}`)}/${udp}/('x'*2000),1200)`
  return `fragment6(${ip(6, src, dst)}/IPv6ExtHdrFragment(id=${id})/${udp}/('x'*2000),1300)`
}

/** Port unreachable from `src` to `dst` that quotes a packet. */
function unreachable(family: 4 | 6, src: string, dst: string, quotedPacket: string): string {
  const icmp = family === 4 ? 'ICMP(type=3,code=3)' : 'ICMPv6DestUnreach(code=4)'
  return `${ip(family, src, dst)}/${icmp}/${quotedPacket}`
}

async function checkAll(t: Test, family: 4 | 6) {
  const client = CLIENT[family]
  const vip = VIPS[family]
  const real = REAL[family]
  const answered = (port: number) => `c ${vip} > ${client} tcp ${port}>40000 RA`
  const unreachableOf = family === 4 ? 'icmp 3/3' : 'icmpv6 1/4'

  t.test('the kernel answers nothing that is sent to a guarded port, and all else', async t => {
    const udp = (port: number) => `UDP(sport=40000,dport=${port})`
    const got = probe(
      sockets,
      [
        ['c', `${ip(family, client, vip)}/TCP(sport=40000,dport=80)`],
        ['c', `${ip(family, client, vip)}/TCP(sport=40000,dport=80,flags='A')`],
        ['c', `${ip(family, client, vip)}/${udp(53)}/b'query'`],
        ['c', `${ip(family, client, vip)}/${udp(54)}/b'query'`],
        ['c', fragments(family, client, vip, 1, udp(53))],
        ['c', `list(reversed(${fragments(family, client, vip, 2, udp(53))}))`],
        ['c', fragments(family, client, vip, 3, udp(55))],
        [
          'x',
          `${ip(family, family === 4 ? '203.0.113.9' : '2001:db8:f::9', vip)}/TCP(sport=40000,dport=80)`,
        ],
        ['c', `${ip(family, client, vip)}/TCP(sport=40000,dport=81)`],
      ],
      /c .* tcp 81>40000/,
      /x .* tcp 80>40000/,
      /about .*:55$/,
    )
    const about = (port: number) =>
      `c ${vip} > ${client} ${unreachableOf} about ${client}:40000 > ${vip}:${port}`
    const other = family === 4 ? '203.0.113.9' : '2001:db8:f::9'
    t.strictSame(
      got.sort(),
      [about(54), about(55), answered(81), `x ${vip} > ${other} tcp 80>40000 RA`].sort(),
    )
  })

  t.test('what a real server answers is not forwarded, the rest of its traffic is', async t => {
    const udp = (port: number) => `UDP(sport=${port},dport=40000)`
    const got = probe(
      sockets,
      [
        ['s', `${ip(family, real, client)}/TCP(sport=8080,dport=40000,flags='SA')`],
        ['s', `${ip(family, real, client)}/${udp(5353)}/b'answer'`],
        ['s', fragments(family, real, client, 11, udp(5353))],
        ['s', `list(reversed(${fragments(family, real, client, 12, udp(5353))}))`],
        ['s', fragments(family, real, client, 13, udp(99))],
        ['s', `${ip(family, real, DIRECTOR[family])}/TCP(sport=8080,dport=40000,flags='SA')`],
        ['s', `${ip(family, real, client)}/TCP(sport=9090,dport=40000,flags='SA')`],
      ],
      /tcp 9090>40000/,
      /s .* tcp/,
      /later fragment/,
    )
    t.strictSame(
      got.sort(),
      [
        `c ${real} > ${client} later fragment`,
        `c ${real} > ${client} tcp 9090>40000 SA`,
        `c ${real} > ${client} udp 99>40000`,
        `s ${DIRECTOR[family]} > ${real} tcp 40000>8080 R`,
      ].sort(),
    )
  })

  t.test('ICMP errors about guarded endpoints are not forwarded, others are', async t => {
    const routed = ROUTED[family]
    const about = (port: number, options = '') =>
      `${ip(family, client, real, options)}/TCP(sport=40000,dport=${port})`
    const from = (port: number) => `${ip(family, routed, client)}/TCP(sport=${port},dport=40000)`
    const extension = (dport: number) =>
      `${ip(6, client, real)}/IPv6ExtHdrDestOpt()/UDP(sport=40000,dport=${dport})`
    const got = probe(
      sockets,
      [
        ['s', unreachable(family, real, client, about(8080))],
        ...(family === 4
          ? [['s', unreachable(4, real, client, about(8080, ',options=[IPOption_RR()]'))] as const]
          : [['s', unreachable(6, real, client, extension(5353))] as const]),
        ['s', unreachable(family, real, DIRECTOR[family], about(8080))],
        ['c', unreachable(family, client, routed, from(80))],
        ['c', unreachable(family, client, routed, from(81))],
        ['s', unreachable(family, real, client, about(9090))],
      ],
      /c .* about .*:9090/,
      /s .* about .*:81/,
    )
    t.strictSame(
      got.sort(),
      [
        `c ${real} > ${client} ${unreachableOf} about ${client}:40000 > ${real}:9090`,
        `s ${client} > ${routed} ${unreachableOf} about ${routed}:81 > ${client}:40000`,
      ].sort(),
    )
  })
}

/** The state of the table as nft itself lists it. */
const listing = () => inDirector('nft', ['list', 'table', 'inet', 'sluice'])

t.test('with real packets', async t => {
  const guard = new PacketGuard({ interfaces: ['d0', 'd1'], run: inDirector })
  await guard.add(guarded)
  for (const defragmenting of [false, true]) {
    // A rule on connections makes the kernel put datagrams together before our table sees them.
    const tracking =
      'table inet other { chain watch { type filter hook prerouting priority 0; ct state new accept; }; }'
    if (defragmenting) await inDirector('nft', ['-f', '-'], tracking)
    for (const family of FAMILIES)
      await t.test(`IPv${family}${defragmenting ? ', connection tracking on' : ''}`, async t =>
        checkAll(t, family),
      )
  }
  await inDirector('nft', ['delete', 'table', 'inet', 'other'])
  await guard.uninstall()
  const got = probe(
    sockets,
    [['c', `${ip(4, CLIENT[4], VIPS[4])}/TCP(sport=40000,dport=80)`]],
    /tcp 80>40000/,
  )
  t.strictSame(got, [`c ${VIPS[4]} > ${CLIENT[4]} tcp 80>40000 RA`], 'uninstalled: answered again')
})

t.test('a port of 0 guards every port of that protocol', async t => {
  const guard = new PacketGuard({ interfaces: ['d0', 'd1'], run: inDirector })
  for (const family of FAMILIES) {
    const vip = VIPS[family]
    const client = CLIENT[family]
    await guard.add([{ role: 'vip', address: vip, protocol: 'tcp', port: 0 }])
    const got = probe(
      sockets,
      [
        ['c', `${ip(family, client, vip)}/TCP(sport=40000,dport=81)`],
        ['c', `${ip(family, client, vip)}/UDP(sport=40000,dport=81)/b'query'`],
      ],
      /about/,
    )
    const kind = family === 4 ? 'icmp 3/3' : 'icmpv6 1/4'
    t.strictSame(got, [`c ${vip} > ${client} ${kind} about ${client}:40000 > ${vip}:81`])
  }
  await guard.uninstall()
})

t.test('an endpoint of two services is guarded until both are gone', async t => {
  const guard = new PacketGuard({ interfaces: ['d0', 'd1'], run: inDirector })
  const shared: Guarded = { role: 'real', address: '10.0.0.7', protocol: 'tcp', port: 8080 }
  const other: Guarded = { ...shared, port: 9090 }
  await guard.add([shared, other])
  await guard.add([shared])
  await guard.remove([shared])
  t.match(await listing(), '10.0.0.7 . tcp . 8080')
  await guard.remove([shared])
  const text = await listing()
  t.notMatch(text, '10.0.0.7 . tcp . 8080')
  t.match(text, 'elements = { 10.0.0.7 }', 'its address stays with the other port')
  await guard.remove([other])
  t.notMatch(await listing(), '10.0.0.7')
  await guard.uninstall()
  await t.rejects(listing(), { message: /No such file/ })
})

t.test('thousands of endpoints go in and out in one call each', async t => {
  let calls = 0
  const counting: Run = (...args) => (calls++, inDirector(...args))
  const guard = new PacketGuard({ interfaces: ['d0'], run: counting })
  await guard.add([])
  calls = 0
  const many = Array.from({ length: 5000 }, (_, i): Guarded => {
    const address = i % 2 ? `10.1.${i >>> 8}.${i & 255}` : `2001:db8:9::${i.toString(16)}`
    return { role: 'real', address, protocol: i % 3 ? 'tcp' : 'sctp', port: 1 + i }
  })
  await guard.add(many)
  const text = await listing()
  t.equal(text.match(/ \. (tcp|sctp) \. \d/g)?.length, 5000)
  await guard.remove(many)
  t.notMatch(await listing(), /10\.1\.|2001:db8:9:/)
  t.equal(calls, 2)
  await guard.uninstall()
})

t.test('a table that somebody else removed or put back is replaced', async t => {
  const guard = new PacketGuard({ interfaces: ['d0'], run: inDirector })
  await guard.add([guarded[0]!])
  t.equal(await guard.verify(), false)
  const saved = await listing()
  await inDirector('nft', ['flush', 'ruleset'])
  t.equal(await guard.verify(), true)
  t.match(await listing(), '198.51.100.1 . tcp . 80')
  await inDirector('nft', ['-f', '-'], `flush ruleset\n${saved}`)
  t.equal(await guard.verify(), true, 'an old copy is not ours')
  t.equal(await guard.verify(), false)
  await inDirector('nft', ['flush', 'ruleset'])
  await guard.add([guarded[1]!])
  const text = await listing()
  t.match(text, '198.51.100.1 . udp . 53', 'a change finds out by itself')
  t.match(text, '198.51.100.1 . tcp . 80')
  await guard.uninstall()
})

t.test('a refused change leaves nothing held', async t => {
  let refusing = false
  const failing: Run = (...args) =>
    refusing
      ? Promise.reject(new CommandError('nft: refused', { exitCode: 1 }))
      : inDirector(...args)
  const guard = new PacketGuard({ interfaces: ['d0'], run: failing })
  await guard.add([])
  refusing = true
  await t.rejects(guard.add([guarded[0]!]), { message: 'nft: refused' })
  refusing = false
  await guard.add([guarded[1]!])
  await inDirector('nft', ['flush', 'ruleset'])
  await guard.verify()
  const text = await listing()
  t.match(text, '198.51.100.1 . udp . 53')
  t.notMatch(text, '198.51.100.1 . tcp . 80')
  await guard.uninstall()
})

t.test('without nft the message says what to install', async t => {
  const missing: Run = () => run('/nowhere/nft', [])
  const guard = new PacketGuard({ interfaces: ['d0'], run: missing })
  await t.rejects(guard.add([]), { message: /apt-get install nftables/, missing: true })
})
