import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { pino } from 'pino'
import t from 'tap'
import type { MarkRuleConfig } from '../../../dataplane/protocol.js'
import type { HostMarkRules, HostService } from '../../../server/dataplane/host-state.js'
import type { Guarded } from '../../../server/host/guard-elements.js'
import { LinuxHost } from '../../../server/host/host-control.js'
import { MemoryJournal } from '../../../server/host/journal.js'
import { PacketGuard } from '../../../server/host/packet-guard.js'
import { Namespaces, probe, type ProbeSocket } from './namespaces.js'

// client c0 -- d0 director d1 -- s0 server, who is the gateway to what is marked. Neither client nor
// server has addresses: their kernels stay silent, packet sockets stand for them.
const CLIENT = { 4: '192.0.2.9', 6: '2001:db8:c::9' }
const OTHER_CLIENT = { 4: '192.0.2.200', 6: '2001:db8:c::200' }
const MARKED = { 4: '203.0.113.7', 6: '2001:db8:f::7' }
const NETWORK = { 4: '203.0.113.0/24', 6: '2001:db8:f::/64' }
const VIP = { 4: '198.51.100.1', 6: '2001:db8:1::1' }
const SERVER = { 4: '10.0.0.1', 6: '2001:db8:5::1' }
const FAMILIES = [4, 6] as const

const spaces = new Namespaces('marks')
t.teardown(() => spaces.close())
for (const name of ['c', 's', 'd']) {
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
  'net.ipv4.conf.default.rp_filter=0',
)
spaces.link('d', 'd0', 'c', 'c0')
spaces.link('d', 'd1', 's', 's0')
spaces.ip(
  'd',
  'link set lo up',
  'addr add 192.0.2.1/24 dev d0',
  'addr add 2001:db8:c::1/64 dev d0 nodad',
  'addr add 10.0.0.254/24 dev d1',
  'addr add 2001:db8:5::fe/64 dev d1 nodad',
  `addr add ${VIP[4]}/32 dev d0`,
  `addr add ${VIP[6]}/128 dev d0 nodad`,
  ...FAMILIES.flatMap(family => [
    `neigh add ${CLIENT[family]} lladdr ${spaces.mac('c', 'c0')} dev d0 nud permanent`,
    `neigh add ${OTHER_CLIENT[family]} lladdr ${spaces.mac('c', 'c0')} dev d0 nud permanent`,
    `neigh add ${SERVER[family]} lladdr ${spaces.mac('s', 's0')} dev d1 nud permanent`,
    `route add ${NETWORK[family]} via ${SERVER[family]}`,
  ]),
)
const socketOf = (peer: string, port: string): ProbeSocket => ({
  namespace: spaces.name(peer),
  interface: `${peer}0`,
  gateway: spaces.mac('d', port),
})
const sockets = {
  c: socketOf('c', 'd0'),
  s: socketOf('s', 'd1'),
  d: { ...socketOf('d', 'd0'), raw: true },
}
const inDirector = spaces.run('d')
const listing = () => inDirector('nft', ['list', 'table', 'inet', 'sluice'])

const anything = (family: 4 | 6): MarkRuleConfig => ({
  mark: 1,
  family: family === 4 ? 'ipv4' : 'ipv6',
  protocol: null,
  source: null,
  destination: null,
  sourcePorts: null,
  destinationPorts: null,
  interface: null,
})
const TCP = 6
const UDP = 17
const ports = (...ranges: [number, number][]) => ranges.map(([first, last]) => ({ first, last }))

/** In order: a client that nobody serves, then what mark 1 takes, some of it on a VIP. */
const rulesOf = (family: 4 | 6): MarkRuleConfig[] => [
  { ...anything(family), mark: 2, source: `${OTHER_CLIENT[family]}/${family === 4 ? 32 : 128}` },
  {
    ...{ ...anything(family), protocol: TCP, destination: NETWORK[family] },
    // Ranges that overlap, which nft would not take as they are.
    destinationPorts: ports([8000, 8099], [80, 80], [8050, 8200]),
  },
  {
    ...anything(family),
    protocol: UDP,
    destination: NETWORK[family],
    sourcePorts: ports([53, 53]),
  },
  { ...anything(family), destination: NETWORK[family], interface: 'd1' },
  { ...anything(family), destination: NETWORK[family], interface: 'nowhere0' },
  { ...anything(family), destination: VIP[family], destinationPorts: ports([90, 99]) },
  { ...anything(family), protocol: 1, destination: NETWORK[family] },
  { ...anything(family), mark: 3, destination: NETWORK[family] },
]
const rules: HostMarkRules = FAMILIES.flatMap(rulesOf)
const served = new Set(['ipv4 1', 'ipv6 1'])
const ftpPorts = [21]
const ip = (family: 4 | 6, src: string, dst: string) =>
  `${family === 4 ? 'IP' : 'IPv6'}(src='${src}',dst='${dst}')`

/** A datagram from that port in two fragments, the second of them without ports. */
function fragments(family: 4 | 6, src: string, dst: string, sport: number): string[] {
  const first = `UDP(sport=${sport},dport=9,len=40,chksum=0)/(b'x'*16)`
  if (family === 6) {
    const header = (rest: string) => `IPv6ExtHdrFragment(nh=17,id=${sport},${rest})`
    return [
      `${ip(6, src, dst)}/${header('m=1')}/${first}`,
      `${ip(6, src, dst)}/${header('offset=3')}/(b'y'*16)`,
    ]
  }
  const header = (rest: string) => `IP(src='${src}',dst='${dst}',id=${sport},proto=17,${rest})`
  return [`${header("flags='MF'")}/${first}`, `${header('frag=3')}/(b'y'*16)`]
}

for (const family of FAMILIES) {
  t.test(
    `IPv${family}: marked packets are hidden from the kernel, all others are its own`,
    async t => {
      const guard = new PacketGuard({ interfaces: ['d0', 'd1'], run: inDirector })
      await guard.add([])
      await guard.setMarks([{ rules, served, ftpPorts }])
      const client = CLIENT[family]
      const other = OTHER_CLIENT[family]
      const vip = VIP[family]
      const marked = MARKED[family]
      const tcp = (port: number) => `TCP(sport=40000,dport=${port})`
      const udp = (sport: number) => `UDP(sport=${sport},dport=9)/b'x'`
      const to = (port: number) => `s ${client} > ${marked} tcp 40000>${port} S`
      const got = probe(
        sockets,
        [
          ...[80, 8000, 8099, 8100, 8200].map(
            port => ['c', `${ip(family, client, marked)}/${tcp(port)}`] as const,
          ),
          ['c', `${ip(family, client, marked)}/${udp(53)}`],
          ['c', `${ip(family, client, vip)}/${tcp(90)}`],
          ['c', `${ip(family, client, vip)}/UDP(sport=40000,dport=99)/b'x'`],
          ['s', `${ip(family, client, marked)}/${tcp(7)}`],
          ...fragments(family, client, marked, 53).map(each => ['c', each] as const),
          // From here on: the kernel's.
          ...fragments(family, client, marked, 54).map(each => ['c', each] as const),
          ['c', `${ip(family, other, marked)}/${tcp(80)}`],
          ['c', `${ip(family, client, marked)}/${tcp(81)}`],
          ['c', `${ip(family, client, marked)}/${tcp(7999)}`],
          ['c', `${ip(family, client, marked)}/${udp(54)}`],
          ['c', `${ip(family, client, vip)}/${tcp(89)}`],
          ['c', `${ip(family, client, marked)}/${tcp(8201)}`],
        ],
        /tcp 40000>8201/,
        /tcp 89>40000/,
      )
      t.strictSame(
        got.sort(),
        [
          `c ${vip} > ${client} tcp 89>40000 RA`,
          `s ${client} > ${marked} udp 54>9`,
          `s ${client} > ${marked} udp 54>9`,
          `s ${client} > ${marked} later fragment`,
          `s ${other} > ${marked} tcp 40000>80 S`,
          to(7999),
          to(81),
          to(8201),
        ].sort(),
      )

      // Nobody asks for mark 1 any more: everything is the kernel's again.
      await guard.setMarks([{ rules, served: new Set(['ipv4 9']), ftpPorts }])
      const free = probe(
        sockets,
        [
          ['c', `${ip(family, client, marked)}/${tcp(80)}`],
          ['c', `${ip(family, client, vip)}/${tcp(90)}`],
        ],
        />80 S/,
        /tcp 90>/,
      )
      t.strictSame(free.sort(), [`c ${vip} > ${client} tcp 90>40000 RA`, to(80)])
      await guard.uninstall()
    },
  )
}

/** In Python: takes connections to a port of every address until its standard input ends. */
const LISTENER = `
import socket, sys
s = socket.create_server(('', int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
print('listening', flush=True)
sys.stdin.read()
`

async function listen(port: number): Promise<() => Promise<unknown>> {
  const command = ['netns', 'exec', spaces.name('d'), '/usr/bin/python3', '-c', LISTENER]
  const child = spawn('ip', [...command, String(port)], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return () => {
    child.stdin.end()
    return once(child, 'exit')
  }
}

t.test('FTP’s data connections need no mark, and spare what the host listens for', async t => {
  const guard = new PacketGuard({ interfaces: ['d0', 'd1'], run: inDirector })
  const ftp = (family: 4 | 6) => ({ ...anything(family), destinationPorts: ports([21, 21]) })
  await guard.setMarks([{ rules: FAMILIES.map(ftp), served, ftpPorts }])
  const stop = await listen(6000)
  for (const family of FAMILIES) {
    const vip = VIP[family]
    const from = (client: string, port: number) =>
      ['c', `${ip(family, client, vip)}/TCP(sport=40000,dport=${port})`] as const
    const client = CLIENT[family]
    const other = OTHER_CLIENT[family]
    const got = probe(
      sockets,
      [
        from(client, 5000),
        from(client, 21),
        ...[20, 5001, 65535].map(port => from(client, port)),
        // From here on: the kernel's.
        from(client, 19),
        from(client, 6000),
        ...[20, 5001].map(port => from(other, port)),
      ],
      /tcp 5001>40000/,
    )
    const says = (port: number, to: string, flags = 'RA') =>
      `c ${vip} > ${to} tcp ${port}>40000 ${flags}`
    t.strictSame(
      got.sort(),
      [
        ...[says(5000, client), says(19, client), says(6000, client, 'SA')],
        ...[says(20, other), says(5001, other)],
      ].sort(),
      `IPv${family}`,
    )
  }
  await stop()
  await guard.uninstall()
})

t.test(
  'IPv4: what only a mark makes local is dropped, the host’s own pings are answered',
  async t => {
    const guard = new PacketGuard({ interfaces: ['d0', 'd1'], run: inDirector })
    await guard.add([])
    const all = [{ ...anything(4) }]
    await guard.setMarks([{ rules: all, served, ftpPorts }])
    const got = probe(
      sockets,
      [
        ['c', `${ip(4, CLIENT[4], MARKED[4])}/ICMP(type=8)/b'x'`],
        ['c', `${ip(4, CLIENT[4], MARKED[4])}/GRE()`],
        ['c', `${ip(4, CLIENT[4], MARKED[4])}/TCP(sport=1,dport=2)`],
        ['c', `${ip(4, CLIENT[4], VIP[4])}/ICMP(type=8)/b'x'`],
      ],
      /icmp 0\/0/,
    )
    t.strictSame(got, [`c ${VIP[4]} > ${CLIENT[4]} icmp 0/0`])
    await guard.uninstall()
  },
)

t.test('what the dataplane gives to this host passes the guard', async t => {
  const guard = new PacketGuard({ interfaces: ['d0', 'd1'], run: inDirector })
  const vips = FAMILIES.map((family): Guarded => ({
    role: 'vip',
    address: VIP[family],
    protocol: 'tcp',
    port: 80,
  }))
  await guard.add(vips)
  await guard.setMarks([{ rules: FAMILIES.map(anything), served, ftpPorts }])
  for (const family of FAMILIES) {
    const syn = `${ip(family, CLIENT[family], VIP[family])}/TCP(sport=40000,dport=80)`
    // From the wire, which is hidden, then by a raw IP socket, as for a local real server.
    const got = probe(
      sockets,
      [
        ['c', syn],
        ['d', syn],
      ],
      /tcp 80>40000/,
    )
    t.strictSame(got, [`c ${VIP[family]} > ${CLIENT[family]} tcp 80>40000 RA`])
  }
  await guard.uninstall()
})

t.test('the chains of several versions come and go', async t => {
  const guard = new PacketGuard({ interfaces: ['d0'], run: inDirector })
  const plan = (port: number) => ({
    rules: [{ ...anything(4), protocol: TCP, destinationPorts: ports([port, port]) }],
    ...{ served, ftpPorts },
  })
  /** Ports of each chain of rules, in order. */
  const chains = async () =>
    [...(await listing()).matchAll(/chain marks4_\d {\n[^}]*dport (?:{ )?(\d+)/g)].map(
      match => match[1],
    )
  await guard.setMarks([plan(1111)])
  t.strictSame(await chains(), ['1111'], 'it installs the table')
  await guard.setMarks([plan(1111), plan(2222)])
  t.strictSame(await chains(), ['1111', '2222'])
  t.equal((await listing()).match(/jump marks4_\d/g)?.length, 2)
  await guard.setMarks([plan(2222)])
  t.strictSame(await chains(), ['2222'])
  await inDirector('nft', ['flush', 'ruleset'])
  t.equal(await guard.verify(), true)
  t.strictSame(await chains(), ['2222'], 'put back with the table')
  await inDirector('nft', ['flush', 'ruleset'])
  await guard.setMarks([plan(3333), plan(4444)])
  t.strictSame(await chains(), ['3333', '4444'], 'a change finds out by itself')
  await guard.setMarks([])
  t.notMatch(await listing(), /marks[46]_/)
  await guard.uninstall()
})

const logger = pino({ level: 'silent' })
const make = (driver: 'packet-ring' | 'raw-socket' = 'packet-ring', interfaces = ['d0', 'd1']) =>
  new LinuxHost({ driver, interfaces, journal: new MemoryJournal(), logger, run: inDirector })
const service = (changes: Partial<HostService> = {}): HostService => ({
  name: 'm',
  key: { family: 'ipv4', fwmark: 1 },
  manageAddress: true,
  dests: [],
  forwardings: ['masq'],
  ...changes,
})

t.test('while rules change, the packets of both are hidden', async t => {
  const host = make()
  t.teardown(() => host.stop())
  const rule = (port: number) => ({
    ...{ ...anything(4), protocol: TCP, destination: NETWORK[4] },
    destinationPorts: ports([port, port]),
  })
  const dests = (['tcp', 'udp', 'sctp'] as const).map(protocol => ({
    ...{ address: SERVER[4], port: 0, protocol },
  }))
  /** Which of the two ports the kernel still forwards. */
  const forwarded = () =>
    probe(
      sockets,
      [1, 2, 3].map(port => ['c', `${ip(4, CLIENT[4], MARKED[4])}/TCP(sport=9,dport=${port})`]),
      /9>3 S/,
    ).map(line => Number(/9>(\d)/.exec(line)![1]))
  const before = service({ markRules: [rule(1)], dests })
  const after = service({ markRules: [rule(2)], dests })
  t.strictSame(await host.beforeApply([before]), [], 'no address')
  t.strictSame(forwarded(), [2, 3])
  await host.beforeApply([after])
  t.strictSame(forwarded(), [3])
  await host.afterApply([after])
  t.strictSame(forwarded(), [1, 3])
  const answers = probe(
    sockets,
    [
      ['s', `${ip(4, SERVER[4], CLIENT[4])}/TCP(sport=443,dport=9,flags='SA')`],
      ['s', `${ip(4, SERVER[4], CLIENT[4])}/UDP(sport=53,dport=9)/b'x'`],
      ['s', `${ip(4, SERVER[4], CLIENT[4])}/ICMP(type=0)/b'x'`],
    ],
    /icmp/,
  )
  t.strictSame(answers, [`c ${SERVER[4]} > ${CLIENT[4]} icmp 0/0`], 'its servers’ answers too')
  await host.afterApply([])
  t.strictSame(forwarded(), [1, 2, 3])
})

t.test('raw-socket: marks for IPv4, and what it has to refuse', async t => {
  const host = make('raw-socket')
  const one = make('raw-socket', ['d0'])
  t.teardown(() => one.stop())
  const named = [{ ...anything(4), interface: 'd0' }]
  const local = { forwardings: ['local' as const] }
  for (const [change, reason] of [
    [{ key: { family: 'ipv6', fwmark: 1 } }, /IPv6/],
    [local, /'local'.*receive again/],
    [{ forwardings: ['tunnel'], tunnelEnds: [SERVER[4], SERVER[6]] }, /tunnel over IPv6/],
    [{ forwardings: ['tunnel'], tunnelEnds: [VIP[4]] }, /an address of this host/],
    [{ markRules: named }, /mark rule for one interface/],
  ] as const)
    await t.rejects(host.beforeApply([service(change as Partial<HostService>)]), {
      code: 'NOT_SUPPORTED_YET',
      message: reason,
    })
  await t.rejects(listing(), 'nothing was touched')
  await one.beforeApply([
    service({ markRules: named, forwardings: ['tunnel'], tunnelEnds: [SERVER[4]] }),
  ])
  t.match(await listing(), /iifname "d0"[^\n]*goto marked4/)
  t.match(
    await listing(),
    /chain marked4 {\n(?:[^\n]*\n){2}[^\n]*meta mark set meta mark \| 0x20000000/,
  )
})
