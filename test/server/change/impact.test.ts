// What a plan says of traffic, counted again: connections from the live table's own listing, slots
// from tables that were written without looking at ours.
import fc from 'fast-check'
import t from 'tap'
import { SharedConnections } from '../../../server/live/connections.js'
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
  was: Servers
  is: Servers
  /** Of those that were; a drain stays until somebody sets another adminState. */
  drained: readonly string[]
}

/** As the kernel has them before and after: who stays keeps its place, who is new comes first. */
function tables({ was, is, drained }: Change, family: Family, scheduler: 'mh' | 'sh') {
  const there = (all: Servers) => Object.keys(all).filter(name => isThere(all[name]!))
  const old = there(was)
  const kept = old.filter(name => there(is).includes(name))
  const fresh = there(is).filter(name => !old.includes(name))
  // Kernel: last_weight is set when a server comes, later only to what is not 0.
  const held = new Map(old.map(name => [name, effective(was[name]!)]))
  const table = (all: Servers, names: readonly string[]) => {
    const list = names.map((name): TableServer => {
      const isDrained = drained.includes(name) && old.includes(name)
      const weight = isDrained ? 0 : effective(all[name]!)
      const lastWeight = weight || (held.get(name) ?? 0)
      const words = wordsOf(name, family)
      return { endpoint: `${name}:${PORT}`, words, port: PORT, weight, lastWeight }
    })
    return scheduler === 'mh' ? maglev(list) : sourceHash(list)
  }
  return [table(was, [...old].reverse()), table(is, [...kept, ...fresh].reverse())] as const
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

// Before: whoever was at weight 0 or drained may have had another weight once, which no test knows.
const before = servers(1, 'enabled')
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
    before,
    fc.option(after, { nil: null }),
    fc.subarray([0, 1]),
    fc.subarray([0, 1]),
    fc.subarray([...NAMES], { maxLength: 2 }),
    async (family, scheduler, was, is, oldFlags, newFlags, drained) => {
      const flags = (places: number[]) => places.map(place => FLAGS[scheduler][place]!)
      const dataplane = new EngineDataplane(256)
      const connections = new SharedConnections(dataplane.memory)
      dataplane.topology.addAddress(
        family === 'ipv4' ? '198.51.100.10/32' : '2001:db8:f::10/128',
        'eth0',
      )
      const a = await startAppliance({ dataplane, connections })
      try {
        const made = await a.send('PUT', url, documentOf(was, family, scheduler, flags(oldFlags)))
        if (made.statusCode !== 201) throw new Error(made.body)
        for (let i = 1; i <= 30; i++) {
          const tcp = { srcPort: 4000 + i, dstPort: 80, flags: 'S' }
          dataplane.receive({ src: clientOf(i, family), dst: vipOf(family), tcp })
        }
        const { items } = (await a.send('GET', '/v1/connections?service=web&limit=1000')).json<{
          items: { realServer: { address: string } | string }[]
        }>()
        if (items.length === 0) throw new Error('there are no connections to count')
        for (const name of drained.filter(each => each in was))
          await a.send('PUT', `${url}/real-servers/${name}/drain`, { deadlineSeconds: 3600 })
        const stays = new Set(
          Object.entries(is ?? {})
            .filter(([, server]) => isThere(server))
            .map(([name]) => addressOf(name, family)),
        )
        const lost = items.filter(({ realServer }) => !stays.has(hostOf(realServer))).length
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
        const [old, wanted] = tables({ was, is, drained }, family, scheduler)
        const total = Math.max(old.length, wanted.length)
        const moved = Array.from({ length: total }, (_, i) => i).filter(
          i => (old[i] || null) !== (wanted[i] || null),
        ).length
        const { slots } = impact.services[0]!
        if (slots?.moved !== moved || slots.total !== total)
          throw new Error(`slots: ${JSON.stringify(slots)}, not ${moved} of ${total}`)
      } finally {
        await a.close()
      }
    },
  )
  await fc.assert(property, { seed: seed(t), numRuns: 60 })
})

interface Impact {
  connectionsLosingService: number
  connectionsLosingServer: number
  services: { slots: { total: number; moved: number } | null }[]
}

const hostOf = (realServer: { address: string } | string): string =>
  typeof realServer === 'string' ? realServer : realServer.address
