// What a plan says of traffic, counted again: connections from the live table's own listing, slots
// from tables that were written without looking at ours.
import fc from 'fast-check'
import t from 'tap'
import { SharedConnections } from '../../../server/live/connections.js'
import type { Dest } from '../../../dataplane/ipvs/dest.js'
import { fillTable } from '../../../dataplane/ipvs/sched/mh.js'
import { fillBuckets } from '../../../dataplane/ipvs/sched/sh.js'
import { startAppliance } from '../fixtures/appliance.js'
import { EngineDataplane } from '../fixtures/engine-dataplane.js'
import { seed } from '../fixtures/seed.js'
import { maglev, siphash, sourceHash, type TableServer } from './hashing-tables.js'

type Family = 'ipv4' | 'ipv6'
interface Server {
  weight: number
  adminState: 'enabled' | 'draining' | 'disabled'
}
type Servers = Record<string, Server>

const NAMES = ['a', 'b', 'c', 'd', 'e'] as const
const PORT = 8080
const url = '/v1/virtual-services/web'
const number = (name: string) => NAMES.indexOf(name as 'a') + 11
const addressOf = (name: string, family: Family) =>
  family === 'ipv4' ? `192.168.10.${number(name)}` : `2001:db8:2::${number(name)}`
const vipOf = (family: Family) => (family === 'ipv4' ? '198.51.100.10' : '2001:db8:f::10')
const clientOf = (i: number, family: Family) =>
  family === 'ipv4' ? `192.0.2.${i}` : `2001:db8:1::${i}`

function documentOf(servers: Servers, family: Family, scheduler: string, flags: string[]) {
  const realServers = Object.entries(servers).map(([name, server]) => [
    name,
    { address: addressOf(name, family), port: PORT, ...server },
  ])
  return {
    ...{ protocol: 'tcp', address: vipOf(family), port: 80, scheduler, schedulerFlags: flags },
    realServers: Object.fromEntries(realServers) as object,
  }
}

const isThere = ({ adminState }: Server) => adminState !== 'disabled'
const effective = ({ adminState, weight }: Server) => (adminState === 'enabled' ? weight : 0)
const wordsOf = (name: string, family: Family) =>
  family === 'ipv4'
    ? [(192 << 24) | (168 << 16) | (10 << 8) | number(name)]
    : [0x20010db8, 0x00020000, 0, parseInt(String(number(name)), 16)]

interface Change {
  /** What the service was made as, and what it was then made, one after the other. */
  past: readonly Servers[]
  is: Servers
  /** Of those that were; a drain stays until somebody sets another adminState. */
  drained: readonly string[]
}

const there = (all: Servers) => Object.keys(all).filter(name => isThere(all[name]!))

/** Kernel: last_weight is set when a server comes, later only to what is not 0. */
function lastWeights(past: readonly Servers[]): Map<string, number> {
  let held = new Map<string, number>()
  for (const all of past) {
    const last = (name: string) => effective(all[name]!) || (held.get(name) ?? 0)
    held = new Map(there(all).map(name => [name, last(name)]))
  }
  return held
}

/** As the kernel has them before and after. */
function tables({ past, is, drained }: Change, family: Family, scheduler: 'mh' | 'sh') {
  const was = past.at(-1)!
  const old = there(was)
  const held = lastWeights(past)
  const table = (all: Servers, names: readonly string[]) => {
    const list = names.map((name): TableServer => {
      const isSame = was[name]?.adminState === all[name]!.adminState
      const isDrained = drained.includes(name) && old.includes(name) && isSame
      const weight = isDrained ? 0 : effective(all[name]!)
      const lastWeight = weight || (held.get(name) ?? 0)
      const words = wordsOf(name, family)
      return { endpoint: `${name}:${PORT}`, words, port: PORT, weight, lastWeight }
    })
    return scheduler === 'mh' ? maglev(list) : sourceHash(list)
  }
  const newestFirst = (all: Servers, places: Map<string, number>) =>
    there(all).sort((a, b) => places.get(b)! - places.get(a)!)
  return [
    table(was, newestFirst(was, placesOf(past))),
    table(is, newestFirst(is, placesOf([...past, is]))),
  ] as const
}

/** Who stays keeps its place, who is new or comes back from being disabled is put behind. */
function placesOf(past: readonly Servers[]): Map<string, number> {
  let places = new Map<string, number>()
  let was: Servers = {}
  for (const all of past) {
    let last = Math.max(0, ...places.values())
    const keeps = (name: string) => {
      const before = was[name]
      if (before === undefined) return false
      return isThere(before) || JSON.stringify(before) === JSON.stringify(all[name])
    }
    const place = (name: string) => (keeps(name) ? places.get(name)! : ++last)
    places = new Map(Object.keys(all).map(name => [name, place(name)]))
    was = all
  }
  return places
}

const someNames = fc
  .uniqueArray(fc.constantFrom(...NAMES), { minLength: 1 })
  .map(names => names.sort())

/** Some servers, each with a weight and one of these states. */
const servers = (least: number, ...states: Server['adminState'][]): fc.Arbitrary<Servers> => {
  const server = fc.record({
    weight: fc.integer({ min: least, max: 9 }),
    adminState: fc.constantFrom(...states),
  })
  const all = fc.record({ a: server, b: server, c: server, d: server, e: server })
  return fc
    .tuple(someNames, all)
    .map(([names, each]) => Object.fromEntries(names.map(name => [name, each[name]])))
}

// Whoever is at weight 0 may have had another weight once, which the slots of mh go on going by.
const between = fc.array(servers(0, 'enabled', 'enabled', 'draining', 'disabled'), { maxLength: 2 })
const first = servers(1, 'enabled')
const after = servers(0, 'enabled', 'draining', 'disabled')
const FLAGS = { mh: ['mh-fallback', 'mh-port'], sh: ['sh-fallback', 'sh-port'] } as const

t.test('the independent hash is the published one', async t => {
  // Values of SipHash-1-3 for 10.0.0.1 to .3 port 80, from an independent model of the kernel's.
  for (const [host, hash] of [
    [1, 0x439c0cbe],
    [2, 0xa1cf683b],
    [3, 0x2cdf0afa],
  ] as const)
    t.equal(siphash(((10 << 24) | host) + 80, 2654435761n), hash)
})

t.test('impact is what counting by hand finds', async t => {
  const property = fc.asyncProperty(
    fc.constantFrom<Family>('ipv4', 'ipv6'),
    fc.constantFrom('mh', 'sh'),
    fc.tuple(first, between).map(([made, changed]) => [made, ...changed]),
    fc.option(after, { nil: null }),
    fc.subarray([0, 1]),
    fc.subarray([0, 1]),
    fc.subarray([...NAMES], { maxLength: 2 }),
    async (family, scheduler, past, is, oldFlags, newFlags, drained) => {
      const flags = (places: number[]) => places.map(place => FLAGS[scheduler][place]!)
      const dataplane = new EngineDataplane(256)
      const connections = new SharedConnections(dataplane.memory)
      dataplane.topology.addAddress(
        family === 'ipv4' ? '198.51.100.10/32' : '2001:db8:f::10/128',
        'eth0',
      )
      const a = await startAppliance({ dataplane, connections })
      try {
        const made = await a.send(
          'PUT',
          url,
          documentOf(past[0]!, family, scheduler, flags(oldFlags)),
        )
        if (made.statusCode !== 201) throw new Error(made.body)
        for (let i = 1; i <= 30; i++) {
          const tcp = { srcPort: 4000 + i, dstPort: 80, flags: 'S' }
          dataplane.receive({ src: clientOf(i, family), dst: vipOf(family), tcp })
        }
        for (const next of past.slice(1)) {
          const put = documentOf(next, family, scheduler, flags(oldFlags))
          const changed = await a.send('PUT', url, put)
          if (changed.statusCode !== 200) throw new Error(changed.body)
        }
        const was = past.at(-1)!
        for (const name of drained.filter(each => each in was && isThere(was[each]!)))
          await a.send('PUT', `${url}/real-servers/${name}/drain`, { deadlineSeconds: 3600 })
        const { items } = (await a.send('GET', '/v1/connections?service=web&limit=1000')).json<{
          items: { realServer: { address: string } | string }[]
        }>()
        if (items.length === 0) throw new Error('there are no connections to count')
        const hosts = (all: Servers) => there(all).map(name => addressOf(name, family))
        const lost = items
          .map(({ realServer }) => hostOf(realServer))
          .filter(host => hosts(was).includes(host) && !hosts(is ?? {}).includes(host)).length
        const before = placed(dataplane, scheduler, family)
        const trial =
          is === null
            ? await a.send('DELETE', `${url}?dryRun=true`)
            : await a.send(
                'PUT',
                `${url}?dryRun=true`,
                documentOf(is, family, scheduler, flags(newFlags)),
              )
        const { impact } = trial.json<{ impact: Impact }>()
        const expected = is === null ? [lost, 0] : [0, lost]
        const found = [impact.connectionsLosingService, impact.connectionsLosingServer]
        if (found.join() !== expected.join())
          throw new Error(`lost: ${found.join()}, not ${expected.join()}`)
        if (is === null || impact.services.length === 0) return
        const [old, wanted] = tables({ past, is, drained }, family, scheduler)
        const total = Math.max(old.length, wanted.length)
        const moved = movedOf(old, wanted)
        const { slots } = impact.services[0]!
        if (slots?.moved !== moved || slots.total !== total)
          throw new Error(`slots: ${JSON.stringify(slots)}, not ${moved} of ${total}`)
        const put = documentOf(is, family, scheduler, flags(newFlags))
        const done = await a.send('PUT', url, put)
        if (done.statusCode !== 200) throw new Error(done.body)
        const really = movedOf(before, placed(dataplane, scheduler, family))
        if (really !== moved) throw new Error(`in the dataplane ${really} moved, not ${moved}`)
      } finally {
        await a.close()
      }
    },
  )
  await fc.assert(property, { seed: seed(t), numRuns: 60 })
})

/** Who serves each slot in the dataplane itself. */
function placed(dataplane: EngineDataplane, scheduler: 'mh' | 'sh', family: Family) {
  const [service] = dataplane.ipvs.services
  const dests = service!.dests
  const table: readonly (Dest | null)[] =
    scheduler === 'mh' ? fillTable(dests, family === 'ipv6' ? 6 : 4) : fillBuckets(dests)
  return table.map(dest =>
    dest === null || dest.weight === 0 ? null : [dest.w0, dest.w1, dest.w2, dest.w3].join(),
  )
}

const movedOf = (old: readonly (string | null)[], wanted: readonly (string | null)[]): number =>
  Array.from({ length: Math.max(old.length, wanted.length) }, (_, i) => i).filter(
    i => (old[i] || null) !== (wanted[i] || null),
  ).length

interface Impact {
  connectionsLosingService: number
  connectionsLosingServer: number
  services: { slots: { total: number; moved: number } | null }[]
}

const hostOf = (realServer: { address: string } | string): string =>
  typeof realServer === 'string' ? realServer : realServer.address
