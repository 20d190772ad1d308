// A simulation is right when the very next packet gets what it said, and harmless when an engine
// that was asked goes on exactly as one that was not.
import t, { type Test } from 'tap'
import { schedulers } from '../../../dataplane/ipvs/sched/index.js'
import type {
  DestConfig,
  ForwardingName,
  SchedulerName,
  ServiceConfig,
  Simulation,
  SimulationRequest,
} from '../../../dataplane/protocol.js'
import { buildBytes, type PacketRecord } from '../../fixtures/packets.js'
import { fromSeed, seeded, type Random } from '../../fixtures/random.js'
import { EngineDataplane } from '../../server/fixtures/engine-dataplane.js'

const hexOf = (octets: Uint8Array) => Buffer.from(octets).toString('hex')
const VIPS = ['198.51.100.10', '2001:db8:100::10'] as const
const serverOf = (vip: string, k: number) =>
  vip.includes(':') ? `2001:db8:10::${10 + k}` : `192.168.10.${10 + k}`

const dest = (address: string, port: number, more: Partial<DestConfig> = {}): DestConfig => ({
  ...{ address, port, weight: 1, forwarding: 'masq', tunnel: null },
  ...{ upperThreshold: 0, lowerThreshold: 0, ...more },
})
const by = (forwarding: ForwardingName): Partial<DestConfig> => ({
  forwarding,
  tunnel: forwarding === 'tunnel' ? { type: 'ipip', port: 0, checksum: 'none' } : null,
})

function engine(seed = 1): EngineDataplane {
  const random = fromSeed(seed)
  const dataplane = new EngineDataplane(512, bound => random(bound + 1))
  for (const vip of VIPS)
    dataplane.topology.addAddress(`${vip}/${vip.includes(':') ? 128 : 32}`, 'eth0')
  return dataplane
}

type Service = Partial<Omit<ServiceConfig, 'key'>> & { address?: string; port?: number }

async function add(d: EngineDataplane, service: Service, dests: DestConfig[], protocol = 'tcp') {
  const { address = VIPS[0], port = 80, ...rest } = service
  const family = address.includes(':') ? 'ipv6' : 'ipv4'
  const key = { family, protocol: protocol as 'tcp', address, port } as const
  const defaults = { scheduler: 'rr', schedulerFlags: [], persistence: null, onePacket: false }
  await d.call({ op: 'addService', service: { key, ...(defaults as object), ...rest } as never })
  for (const each of dests) await d.call({ op: 'addDest', key, dest: each })
  return key
}

const simulate = (d: EngineDataplane, simulation: SimulationRequest) =>
  d.call({ op: 'simulate', simulation })
const syn = (srcPort: number, more: Partial<PacketRecord> = {}): PacketRecord => ({
  ...{ src: '192.0.2.9', dst: VIPS[0], df: true },
  tcp: { srcPort, dstPort: 80, flags: 'S' },
  ...more,
})
const ask = (d: EngineDataplane, record: PacketRecord) =>
  simulate(d, { packet: { hex: hexOf(buildBytes(record)) }, interface: 'eth0' })

/** All memory, and what the network view has given out. */
function stateOf({ ipvs, memory }: EngineDataplane): Record<string, string> {
  const all = Object.entries(memory).map(([name, buffer]) => {
    const copy = Buffer.from(buffer as SharedArrayBuffer)
    // Long and empty but for its beginning.
    return [name, copy.subarray(0, 1 << 17).toString('base64')] as const
  })
  return { ...Object.fromEntries(all), generation: String(ipvs.network.generation) }
}

t.test('what is said of a packet is what happens to it', async t => {
  for (const vip of VIPS) {
    for (const forwarding of ['masq', 'dr', 'tunnel'] as const) {
      const d = engine()
      const server = serverOf(vip, 1)
      await add(d, { address: vip }, [dest(server, 80, by(forwarding))])
      const record = syn(4000, { src: vip.includes(':') ? '2001:db8:2::9' : '192.0.2.9', dst: vip })
      const said = await ask(d, record)
      d.receive(record)
      t.strictSame(
        said.sent.map(({ hex }) => hex),
        d.sent().map(hexOf),
        `${forwarding} to ${vip}`,
      )
      t.match(said, {
        ...{ verdict: 'forwarded', counter: 'forwarded', decidedBy: 'scheduler', direction: 'in' },
        service: { lookup: 'exact', scheduler: 'rr', random: false },
        connection: { status: 'new', stateBefore: null, stateAfter: 'SYN_RECV', forwarding },
        realServers: [{ address: server, chosen: true, passedOver: null }],
        ttl: { value: 64, outcome: 'enough' },
        nextHop: { kind: 'ethernet', interface: 'eth1', macAddress: '02:00:00:00:01:11' },
      })
      const header = vip.includes(':') ? 40 : 20
      t.equal(said.mtu!.limitOctets, 1500 - (forwarding === 'tunnel' ? header : 0))
      const again = await ask(d, record)
      t.match(again, { decidedBy: 'connection', connection: { status: 'existing' } })
      t.equal(again.realServers[0]!.passedOver, null)
      t.equal(again.realServers[0]!.activeConns + again.realServers[0]!.inactConns, 1)
    }
  }
})

t.test('each real server has its reason', async t => {
  const d = engine()
  const servers = [1, 2, 3, 4].map(k => serverOf(VIPS[0], k))
  const key = await add(d, { scheduler: 'wlc' }, [
    dest(servers[0]!, 80, { weight: 0 }),
    dest(servers[1]!, 80, { upperThreshold: 1 }),
    dest(servers[2]!, 80),
    dest(servers[3]!, 80),
  ])
  d.receive(syn(1), syn(2), syn(3))
  const reasons = async (record: PacketRecord) =>
    Object.fromEntries(
      (await ask(d, record)).realServers.map(({ address, passedOver }) => [
        servers.indexOf(address) + 1,
        passedOver,
      ]),
    )
  t.strictSame(await reasons(syn(4)), { 1: 'weightZero', 2: 'overloaded', 3: 'notChosen', 4: null })
  t.strictSame(await reasons(syn(1)), { 1: 'notAsked', 2: 'notAsked', 3: 'notAsked', 4: null })
  await d.call({ op: 'delDest', key, dest: { address: servers[3]!, port: 80 } })
  const gone = await ask(d, syn(1, { tcp: { srcPort: 1, dstPort: 80, flags: '.' } }))
  t.match(gone, { verdict: 'dropped', counter: 'destUnavailable', sent: [] })
  t.match(gone.realServers.at(-1), { address: servers[3], passedOver: 'notAvailable' })
  for (const address of servers.slice(1, 3))
    await d.call({ op: 'editDest', key, dest: dest(address, 80, { weight: 0 }) })
  const nobody = await ask(d, syn(9))
  t.match(nobody, { verdict: 'dropped', counter: 'noDest', decidedBy: 'scheduler' })
  t.match(nobody.sent[0]!.text, /unreach/)
})

t.test('templates, marks, other lookups, TTL, MTU and routes', async t => {
  const d = engine()
  const persistence = { timeoutS: 300, netmask: '255.255.255.0' }
  const pair = [dest(serverOf(VIPS[0], 1), 80), dest(serverOf(VIPS[0], 2), 80)]
  await add(d, { persistence }, pair)
  const first = await ask(d, syn(1))
  t.match(first, { decidedBy: 'scheduler', template: { status: 'new', client: { port: 0 } } })
  d.receive(syn(1))
  const second = await ask(d, syn(2, { src: '192.0.2.77' }))
  t.match(second, { decidedBy: 'template', template: { status: 'existing' } })
  t.equal(second.template!.client.address, '192.0.2.0')
  t.strictSame(second.connection!.realServer, first.connection!.realServer)

  const expired = await ask(d, syn(3, { ttl: 1 }))
  t.match(expired, { counter: 'ttlExpired', ttl: { value: 1, outcome: 'expired' } })
  const payload = new Uint8Array(1480)
  await add(d, { port: 81 }, [dest(serverOf(VIPS[0], 1), 81, by('tunnel'))])
  const big = syn(4, { tcp: { srcPort: 4, dstPort: 81, flags: 'S', payload: payload.slice(20) } })
  t.match(await ask(d, big), {
    ...{ counter: 'tooBig', verdict: 'dropped' },
    mtu: { octets: 1500, limitOctets: 1480, outcome: 'tooBig' },
  })
  await add(d, { port: 82 }, [dest('192.168.10.200', 82)])
  const unknown = await ask(d, syn(5, { tcp: { srcPort: 5, dstPort: 82 } }))
  t.match(unknown, { nextHop: { kind: 'kernel', interface: null }, sent: [{ interface: null }] })

  const mark = { family: 'ipv4', fwmark: 7 } as const
  const config = { scheduler: 'rr', schedulerFlags: [], persistence: null, onePacket: false }
  await d.call({ op: 'addService', service: { key: mark, ...config } as ServiceConfig })
  await d.call({ op: 'addDest', key: mark, dest: dest('192.168.10.13', 0) })
  const any = { protocol: null, source: null, sourcePorts: null, destinationPorts: null }
  const rule = { mark: 7, family: 'ipv4', destination: '203.0.113.0/24', ...any } as const
  const rules = [{ ...rule, mark: 9, destination: '203.0.112.0/24', interface: null }]
  await d.call({ op: 'setMarkRules', rules: [...rules, { ...rule, interface: null }] })
  const marked = await ask(d, syn(6, { dst: '203.0.113.5' }))
  t.strictSame(marked.mark, { value: 7, rule: 1, used: true })
  t.match(marked, { service: { lookup: 'mark' }, verdict: 'forwarded' })
  const unused = await ask(d, syn(6, { dst: '203.0.112.5' }))
  t.match(unused, { mark: { value: 9, rule: 0, used: false }, service: null, verdict: 'host' })
  const tuple = {
    protocol: 'udp',
    client: { address: '192.0.2.1', port: 5 },
    virtual: { address: '203.0.114.1', port: 9 },
  } as const
  const forced = await simulate(d, { packet: tuple, mark: 7 })
  t.match(forced, { mark: { value: 7, rule: null, used: true }, verdict: 'forwarded' })

  await add(d, { port: 21 }, [dest('192.168.10.14', 21)])
  await add(d, { port: 0, persistence }, [dest('192.168.10.15', 0)])
  const lookup = async (dstPort: number) =>
    (await ask(d, syn(7, { tcp: { srcPort: 7, dstPort } }))).service?.lookup
  t.strictSame(await Promise.all([80, 2000, 500].map(lookup)), ['exact', 'ftp', 'anyPort'])
})

t.test('replies, errors, fragments, bad packets and a full table', async t => {
  const d = engine()
  await add(d, {}, [dest('192.168.10.11', 8080)])
  d.receive(syn(1))
  const reply: PacketRecord = {
    ...{ src: '192.168.10.11', dst: '192.0.2.9' },
    tcp: { srcPort: 8080, dstPort: 1, flags: 'S.' },
  }
  const said = await ask(d, reply)
  t.match(said, { direction: 'out', connection: { status: 'existing', stateAfter: 'SYN_RECV' } })
  d.sent()
  d.receive(reply)
  t.strictSame(
    said.sent.map(({ hex }) => hex),
    d.sent().map(hexOf),
  )

  const acknowledged = await ask(d, syn(1, { tcp: { srcPort: 1, dstPort: 80, flags: '.' } }))
  t.match(acknowledged.connection, { stateBefore: 'SYN_RECV', stateAfter: 'ESTABLISHED' })

  const quote = buildBytes({
    ...{ src: '192.168.10.11', dst: '192.0.2.9' },
    tcp: { srcPort: 8080, dstPort: 1, flags: '.' },
  })
  const error: PacketRecord = {
    ...{ src: '192.0.2.254', dst: VIPS[0] },
    icmp: {
      ...{ type: 3, code: 4, rest: 1400 },
      payload: buildBytes({
        ...{ src: VIPS[0], dst: '192.0.2.9' },
        tcp: { srcPort: 80, dstPort: 1, flags: '.' },
      }),
    },
  }
  const told = await ask(d, error)
  d.receive(error)
  t.strictSame(
    told.sent.map(({ hex }) => hex),
    d.sent().map(hexOf),
  )
  t.ok(told.sent[0]!.hex.includes(hexOf(quote.subarray(12, 20))), 'the quote is rewritten')

  const piece = buildBytes(syn(5))
  piece[6] = 0x20
  new DataView(piece.buffer, piece.byteOffset).setUint16(10, 0)
  new DataView(piece.buffer, piece.byteOffset).setUint16(10, ipv4Checksum(piece))
  const held = await simulate(d, { packet: { hex: hexOf(piece) }, interface: 'eth0' })
  t.match(held, { verdict: 'held', counter: 'fragmentHeld' })
  const broken = buildBytes(syn(5))
  broken[8] = 9
  const bad = await simulate(d, { packet: { hex: hexOf(broken) }, interface: 'eth0' })
  t.match(bad, { verdict: 'dropped', counter: 'badIpChecksum', service: null, sent: [] })
  for (const hex of ['', 'zz', '123', '7000', 'ff'.repeat(70000)])
    await t.rejects(simulate(d, { packet: { hex } }), { code: 'EINVAL' })
  await t.rejects(simulate(d, { packet: { hex: hexOf(piece) }, interface: 'eth9' }), {
    code: 'ENODEV',
  })
  for (let port = 10; port < 600; port++) d.receive(syn(port))
  t.match(await ask(d, syn(700)), { verdict: 'dropped', counter: 'tableFull' })
})

/** RFC 1071 over the twenty octets of the header. */
function ipv4Checksum(ip: Uint8Array): number {
  let sum = 0
  for (let i = 0; i < 20; i += 2) sum += (ip[i]! << 8) | ip[i + 1]!
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

for (const scheduler of Object.keys(schedulers) as SchedulerName[]) {
  t.test(`${scheduler}: foretells, and leaves no trace`, t => walk(t, scheduler))
}

/** The same random life twice, once with questions asked before each packet. */
async function walk(t: Test, scheduler: SchedulerName): Promise<void> {
  const random = seeded(t)
  const seed = random(2 ** 30)
  const asked = engine(seed)
  const plain = engine(seed)
  const persistence = random(3) === 0 ? { timeoutS: 60, netmask: '255.255.255.0' } : null
  const address = VIPS[persistence === null ? random(2) : 0]!
  const flags = random(2) === 0 ? ['flag-1', 'flag-2'] : []
  const weights = [1, 2, 3, 4].map(() => random(4))
  const both = [asked, plain]
  const of = (k: number) => dest(serverOf(address, k), 80, { weight: weights[k - 1]! })
  const service = { scheduler, address, schedulerFlags: flags, persistence }
  const keys = await Promise.all(both.map(d => add(d, service, [1, 2, 3, 4].map(of))))
  const key = keys[0]!
  const present = new Set([1, 2, 3, 4])
  let foretold = 0
  for (let step = 0; step < 120; step++) {
    const action = random(12)
    const k = 1 + random(4)
    if (action === 0 && present.has(k)) {
      const more = { weight: random(5), upperThreshold: random(3) === 0 ? 6 : 0 }
      for (const d of both) await d.call({ op: 'editDest', key, dest: { ...of(k), ...more } })
    } else if (action === 1) {
      for (const d of both)
        if (present.has(k)) await d.call({ op: 'delDest', key, dest: of(k) })
        else await d.call({ op: 'addDest', key, dest: of(k) })
      if (!present.delete(k)) present.add(k)
    } else if (action === 2) {
      const seconds = random(40)
      for (const d of both) d.advance(seconds)
    } else {
      const record = packetOf(random, address)
      const before = stateOf(asked)
      const said = await ask(asked, record)
      await ask(asked, packetOf(fromSeed(step), address))
      if (step % 10 === 0) t.strictSame(stateOf(asked), before, `step ${step}`)
      for (const d of both) d.receive(record)
      const sent = asked.sent().map(hexOf)
      t.strictSame(sent, plain.sent().map(hexOf))
      if (scheduler === 'twos' && said.decidedBy === 'scheduler') continue
      if (!same(said, sent)) t.fail(`step ${step}: said ${said.sent[0]?.text}, was ${sent[0]}`)
      foretold++
    }
  }
  t.strictSame(stateOf(asked), stateOf(plain))
  t.ok(foretold > 20, `${foretold} packets foretold`)
}

const same = (said: Simulation, sent: readonly string[]): boolean =>
  said.sent.length === sent.length && said.sent.every(({ hex }, i) => hex === sent[i])

function packetOf(random: Random, address: string): PacketRecord {
  const flags = ['S', 'S', 'S', '.', 'F.', 'R'][random(6)]!
  const isIpv6 = address.includes(':')
  const src = isIpv6 ? `2001:db8:2::${1 + random(9)}` : `192.0.${random(3)}.${1 + random(5)}`
  return { src, dst: address, tcp: { srcPort: 1000 + random(12), dstPort: 80, flags } }
}
