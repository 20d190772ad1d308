// Follows a real kernel's tables in a namespace, and compares with what `ip route get` says.
import t from 'tap'
import { NetworkTable } from '../../../dataplane/net/network-table.js'
import { NextHop } from '../../../dataplane/net/network.js'
import { RouteType } from '../../../dataplane/net/route.js'
import { Rtnetlink } from '../../../dataplane/net/rtnetlink.js'
import { IPV4, IPV6 } from '../../../dataplane/packet.js'
import { DescriptorLedger } from '../../../dataplane/sys/descriptors.js'
import { interfaceProperties } from '../../../dataplane/sys/interface.js'
import { Poller } from '../../../dataplane/sys/poller.js'
import * as address from '../../../dataplane/wire/address.js'
import { Namespace, veth } from '../../fixtures/netns.js'
import { Random } from '../../fixtures/seed.js'

const ledger = new DescriptorLedger()
const NAMES = ['p0', 'p1']

interface Lab {
  here: Namespace
  peer: Namespace
  network: NetworkTable
  rtnetlink: Rtnetlink
  /** Takes in notifications until nothing more is there and `done` holds. */
  settle: (done?: () => boolean) => void
}

function lab(): Lab {
  const here = new Namespace('lb')
  const peer = new Namespace('peer')
  NAMES.forEach((name, i) => {
    const mac = `02:00:00:00:0${i}:01`
    veth({ ns: here, name, mac }, { ns: peer, name, mac: `02:00:00:00:0${i}:02` })
    here.ip(`address add 10.0.${i}.1/24 dev ${name}`)
    here.ip(`address add 2001:db8:${i}::1/64 dev ${name} nodad`)
    peer.ip(`address add 10.0.${i}.2/24 dev ${name}`)
    peer.ip(`address add 2001:db8:${i}::2/64 dev ${name} nodad`)
  })
  return here.enter(() => {
    const ports = NAMES.map((name, index) => {
      const { mac, ...found } = interfaceProperties(ledger, name)!
      const v = new DataView(mac.buffer, mac.byteOffset)
      return { ...found, index, name, macHigh: v.getUint16(0), macLow: v.getInt32(2) }
    })
    const network = new NetworkTable({ ports })
    const rtnetlink = new Rtnetlink(network, ledger)
    const poller = new Poller(ledger)
    poller.watch([rtnetlink.descriptor])
    const settle = (done = () => true) => {
      for (let tries = 0; tries < 200; tries++) {
        if (poller.wait(done() && rtnetlink.synchronized ? 0 : 25) > 0) rtnetlink.process()
        else if (done() && rtnetlink.synchronized) return
      }
      throw new Error('the expected state did not come')
    }
    return { here, peer, network, rtnetlink, settle }
  })
}

function words(text: string): [number, number, number, number, number] {
  const { family, w0, w1, w2, w3 } = address.parse(text)!
  return [family, w0, w1, w2, w3]
}

/** What the kernel does with a destination: `dev gateway`, or the word for why not. */
function kernelChoice(ns: Namespace, destination: string): string {
  try {
    const [got] = JSON.parse(ns.ip(`-j route get ${destination}`)) as {
      type?: string
      dev: string
      gateway?: string
      via?: { host: string }
    }[]
    if (got!.type !== undefined && got!.type !== 'unicast') return got!.type
    return `${got!.dev} ${got!.gateway ?? got!.via?.host ?? 'link'}`
  } catch (error) {
    // "RTNETLINK answers: No route to host" and its likes.
    const text = String((error as { stderr?: string }).stderr)
    if (/Invalid argument/.test(text)) return 'blackhole'
    if (/Permission denied/.test(text)) return 'prohibit'
    if (/No route to host|Network is unreachable/.test(text)) return 'unreachable'
    throw error
  }
}

/**
 * All that would be right by our tables. With multipath that is several; with IPv6 also among
 * routes of one prefix and metric, where the kernel prefers the gateway that last answered.
 */
function ourChoices(network: NetworkTable, destination: string): string[] {
  const [family, ...w] = words(destination)
  const best = network.fib.lookup(family, ...w)
  if (best === null) return ['unreachable']
  const equals = family === IPV6 ? network.fib.equals(best) : [best]
  return equals.flatMap(({ type, hops }) => {
    const name = Object.entries(RouteType).find(([, value]) => value === type)![0]
    if (name !== 'unicast') return [name]
    return hops.map(({ ifIndex, via }) => {
      const gateway = via && address.format(via.family, via.w0, via.w1, via.w2, via.w3)
      return `${network.links.get(ifIndex)!.name} ${gateway ?? 'link'}`
    })
  })
}

function randomRoutes(random: Random, count: number): string[] {
  const prefix4 = () =>
    `10.${random.integer(10, 13)}.${random.integer(0, 3) * 64}.${random.pick([0, 128])}` +
    `/${random.pick([14, 16, 18, 24, 25, 32])}`
  const prefix6 = () =>
    `2001:db8:${random.integer(10, 13)}:${random.pick(['0', '8000', 'ff00'])}::` +
    `/${random.pick([46, 48, 49, 56, 64, 128])}`
  const lines: string[] = []
  for (let i = 0; i < count; i++) {
    const port = random.integer(0, 1)
    const four = random.boolean()
    const prefix = four ? prefix4() : prefix6()
    const gateway = (n: number) => (four ? `10.0.${n}.2` : `2001:db8:${n}::2`)
    const metric = `metric ${random.pick([10, 20, 1024])}`
    const how = random.integer(0, 9)
    if (how === 0)
      lines.push(`${random.pick(['unreachable', 'prohibit', 'blackhole'])} ${prefix} ${metric}`)
    else if (how === 1) lines.push(`throw ${prefix} ${metric}`)
    else if (how === 2)
      lines.push(`${prefix} ${metric} nexthop via ${gateway(0)} weight 3 nexthop via ${gateway(1)}`)
    else if (how === 3 && four) lines.push(`${prefix} via inet6 2001:db8:${port}::2 ${metric}`)
    else if (how === 4) lines.push(`${prefix} dev p${port} ${metric}`)
    else lines.push(`${prefix} via ${gateway(port)} ${metric} mtu ${random.integer(1280, 1500)}`)
  }
  return lines
}

function attempt(command: () => void): boolean {
  try {
    command()
    return true
  } catch {
    return false // Exists already, or host bits are set: the kernel refused, nothing changed.
  }
}

t.test('routes are chosen as the kernel chooses them, while they come and go', async t => {
  const random = Random.of(t)
  const { here, network, rtnetlink, settle } = lab()
  const compare = (round: string) => {
    for (let i = 0; i < 25; i++) {
      const four = `10.${random.integer(9, 14)}.${random.integer(0, 255)}.${random.integer(1, 254)}`
      const six =
        `2001:db8:${random.integer(10, 14)}:` +
        `${random.pick(['0', '1', '8000', '80ff', 'ff00'])}::${random.integer(0, 2)}`
      for (const destination of [four, six]) {
        const kernel = kernelChoice(here, destination)
        const ours = ourChoices(network, destination)
        t.ok(
          ours.includes(kernel),
          `${round} ${destination}: kernel ${kernel}, ours ${ours.join()}`,
        )
      }
    }
  }
  const installed: string[] = []
  for (const verb of ['add', 'append', 'replace'])
    for (const route of randomRoutes(random, 35))
      if (attempt(() => here.ip(`route ${verb} ${route}`))) installed.push(route)
  t.ok(installed.length > 30, `${installed.length} routes were taken`)
  settle()
  compare('filled')
  for (const route of random.shuffle(installed).slice(0, installed.length / 2))
    attempt(() => here.ip(`route del ${route}`))
  settle()
  rtnetlink.tick()
  settle()
  compare('half gone')
  here.ip('link set p1 down')
  settle()
  compare('p1 down')
  here.ip('link set p1 up')
  settle(() => network.links.all().every(({ up }) => up))
  rtnetlink.tick()
  settle()
  compare('p1 up again')
  // The kernel makes link-local and multicast routes when it gets to it after a link is up.
  const ours = () =>
    [...network.fib.all()].filter(({ w0 }) => w0 >>> 24 !== 0xfe && w0 >>> 24 !== 0xff)
  const text = () =>
    ours()
      .map(route => JSON.stringify(route))
      .sort()
  const followed = text()
  rtnetlink.resynchronize()
  settle()
  t.strictSame(text(), followed, 'reading all again finds what following had')
  rtnetlink.close()
})

t.test('a neighbour is resolved, lost, moved; its verification changes nothing', async t => {
  const { here, network, rtnetlink, settle } = lab()
  for (const [destination, family] of [
    ['10.0.0.2', IPV4],
    ['2001:db8::2', IPV6],
  ] as const) {
    const resolve = () => network.resolve(...words(destination))
    t.equal(resolve().kind, NextHop.kernel, 'unknown: through the kernel')
    const first = network.generation
    here.ip(`neigh replace ${destination} lladdr 02:00:00:00:00:02 dev p0 nud reachable`)
    settle(() => network.generation !== first)
    const adjacency = resolve()
    t.match(adjacency, {
      kind: NextHop.ethernet,
      port: 0,
      dstMacHigh: 0x0200,
      dstMacLow: 0x00000002,
      srcMacHigh: 0x0200,
      srcMacLow: 0x00000001,
      mtuOctets: 1500,
    })
    t.equal(network.adjacency(adjacency.index), adjacency)
    const known = network.generation
    here.ip(`neigh replace ${destination} lladdr 02:00:00:00:00:02 dev p0 nud stale`)
    settle(() => network.staleInUse(9).length === 1)
    t.equal(network.generation, known, 'REACHABLE to STALE makes no generation')
    t.equal(resolve(), adjacency)
    here.ip(`neigh replace ${destination} lladdr 02:00:00:00:00:77 dev p0 nud reachable`)
    settle(() => network.generation !== known)
    t.equal(resolve().dstMacLow, 0x77, 'it moved')
    const moved = network.generation
    here.ip(`neigh del ${destination} dev p0`)
    settle(() => network.generation !== moved)
    t.equal(resolve().kind, NextHop.kernel, 'gone')
    t.equal(network.isLocal(...words(family === IPV4 ? '10.0.0.1' : '2001:db8::1')), true)
    t.equal(network.isLocal(...words(destination)), false)
  }
  rtnetlink.close()
})

t.test('a stale neighbour in use is verified by the kernel', async t => {
  const { here, network, rtnetlink, settle } = lab()
  for (const destination of ['10.0.1.2', '2001:db8:1::2']) {
    here.ip(`neigh replace ${destination} lladdr 02:00:00:00:01:02 dev p1 nud stale`)
    settle(() => network.resolve(...words(destination)).kind === NextHop.ethernet)
    rtnetlink.tick()
    const state = () =>
      (JSON.parse(here.ip(`-j neigh show ${destination} dev p1`)) as { state: string[] }[])[0]!
        .state
    t.notSame(state(), ['STALE'], 'the kernel has been asked to')
    // DELAY lasts delay_first_probe_time, 5 s; then the peer answers the probe.
    t.match(state().join(), /DELAY|PROBE|REACHABLE/)
  }
  rtnetlink.close()
})

t.test('link, address and MTU changes are followed', async t => {
  const { here, network, rtnetlink, settle } = lab()
  const out = new Int32Array(4)
  t.ok(network.sourceAddress(0, IPV4, out))
  t.equal(address.format(IPV4, out[0]!, 0, 0, 0), '10.0.0.1')
  t.ok(network.sourceAddress(1, IPV6, out))
  t.equal(address.format(IPV6, out[0]!, out[1]!, out[2]!, out[3]!), '2001:db8:1::1', 'not fe80::')
  let generation = network.generation
  here.ip('address add 198.51.100.1/32 dev p0')
  settle(() => network.generation !== generation)
  t.ok(network.isLocal(...words('198.51.100.1')), 'an address that was added')
  t.ok(network.sourceAddress(0, IPV4, out))
  t.equal(address.format(IPV4, out[0]!, 0, 0, 0), '10.0.0.1', 'the primary one stays')
  generation = network.generation
  here.ip('address del 198.51.100.1/32 dev p0')
  settle(() => network.generation !== generation)
  t.notOk(network.isLocal(...words('198.51.100.1')), 'and taken away')
  here.ip('link set p0 mtu 1400')
  settle(() => network.links.all().some(({ mtuOctets }) => mtuOctets === 1400))
  here.ip('link del p1')
  settle(() => network.links.all().every(({ name }) => name !== 'p1'))
  t.equal(
    network.resolve(...words('10.0.1.2')).kind,
    NextHop.unreachable,
    'its routes are gone too',
  )
  rtnetlink.close()
})

t.test('an overrun queue is mended by reading everything again', async t => {
  const { here, network, rtnetlink, settle } = lab()
  // The kernel takes 2304 as the least; a few hundred notifications do not fit.
  const { setBuffer } = await import('../../../dataplane/sys/socket.js')
  setBuffer(rtnetlink.descriptor, 'receive', 1)
  const batch = Array.from(
    { length: 300 },
    (_, i) => `route add 203.0.113.${i % 256}/32 dev p${i >> 8}`,
  )
  const { writeFileSync, mkdtempSync } = await import('node:fs')
  const file = `${mkdtempSync('/tmp/rtnetlink-')}/batch`
  writeFileSync(file, batch.slice(0, 256).join('\n'))
  here.ip(`-batch ${file}`)
  setBuffer(rtnetlink.descriptor, 'receive', 8 << 20)
  settle()
  for (const last of [0, 17, 255])
    t.equal(ourChoices(network, `203.0.113.${last}`).join(), 'p0 link')
  rtnetlink.close()
})
