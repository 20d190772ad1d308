// Health checks through the service find servers that answer directly, but not to its clients.
import { existsSync, readdirSync } from 'node:fs'
import t from 'tap'
import { PROBE_ADDRESSES } from '../../server/health/probe-network.js'
import { PROBE_INTERFACE } from '../../server/host/interfaces.js'
import {
  DIRECTOR_SERVER_SIDE,
  FAMILIES,
  inUrl,
  serverAddress,
  VIP,
  type Family,
  type ServerName,
} from '../lab/cast.js'
import { HTTP_PORT, HTTP_PORT_2 } from '../lab/real-server.js'
import { Sluice } from '../lab/sluice.js'
import { TunnelEnd } from '../lab/tunnel-end.js'
import { until } from '../lab/until.js'
import { endStage, setStage, type Stage } from './stage.js'

interface Case {
  family: Family
  forwarding: 'masq' | 'dr' | 'tunnel'
  port: number
  serverPort: number
  /** Whose clients hear nothing. */
  broken: ServerName
}
/** a has everything; b neither has the address nor ends tunnels; what c answers goes elsewhere. */
const CASES = FAMILIES.flatMap((family): Case[] => [
  { family, forwarding: 'masq', port: 81, serverPort: HTTP_PORT, broken: 'c' },
  { family, forwarding: 'dr', port: HTTP_PORT, serverPort: HTTP_PORT, broken: 'b' },
  { family, forwarding: 'tunnel', port: HTTP_PORT_2, serverPort: HTTP_PORT_2, broken: 'b' },
])
const nameOf = ({ family, forwarding }: Case) => `${forwarding}-${family}`
const pathOf = (one: Case) => `/v1/virtual-services/${nameOf(one)}`

interface Checks {
  health: { state: string }
  items: { name: string; state: string; last: { detail: string } | null }[]
}

t.test('through NAT, direct routing and tunnels', async t => {
  const stage = await setStage(
    t,
    (lab, director) => Sluice.start(lab, director, { serveArgs: ['--service-probes'] }),
    { servers: 3 },
  )
  await breakServers(stage)
  const { director, topology } = stage
  for (const one of CASES) await director.api('PUT', pathOf(one), serviceOf(one))
  for (const one of CASES) t.test(nameOf(one), t => found(t, stage, one))

  t.test('one that is mended comes back, although the service was without it', async t => {
    const [nat] = CASES
    await topology.servers.get('c')!.ip(`route del blackhole ${PROBE_ADDRESSES.ipv4}/32`)
    await until('c to be up', async () => (await checksOf(stage, nat!, 'c')).health.state === 'up')
    t.pass()
  })
  t.test('a killed Sluice leaves nothing that the next one does not take over', async t => {
    director.process.signal('SIGKILL')
    await director.process.exited
    await director.start()
    const [nat] = CASES
    await until('checks', async () => (await checksOf(stage, nat!, 'a')).health.state === 'up')
    const run = await director.api('POST', `${pathOf(nat!)}/real-servers/a/checks/runs`, {})
    t.match(run, { items: [{ outcome: 'success' }, { outcome: 'success' }] })
  })
  t.test('another on the same machine has a network of its own', async t => {
    const names = () => readdirSync('/run/netns').filter(name => name.startsWith('sluice-probe-'))
    t.match(await topology.director.must(['ip', 'link', 'show', PROBE_INTERFACE]), /state UP/)
    const before = names().length
    const other = await Sluice.start(stage.lab, topology.client, {
      ...{ interfaces: ['eth0'], database: 'other.db', serveArgs: ['--service-probes'] },
    })
    t.equal(names().length, before + 1)
    await other.stop()
    t.equal(names().length, before)
    t.equal((await topology.client.run(['ip', 'link', 'show', PROBE_INTERFACE])).code, 1)
    const [nat] = CASES
    t.equal((await checksOf(stage, nat!, 'a')).health.state, 'up')
  })
  endStage(t, stage)
  t.test('nothing of the probes is left', async t => {
    const left = existsSync('/run/netns') ? readdirSync('/run/netns') : []
    t.strictSame(
      left.filter(name => name.startsWith('sluice-probe-')),
      [],
    )
  })
})

async function breakServers({ topology: { servers } }: Stage): Promise<void> {
  await TunnelEnd.start(servers.get('a')!, {
    own: FAMILIES.map(family => serverAddress('a', family)),
    from: Object.values(DIRECTOR_SERVER_SIDE),
    hops: 0,
  })
  await servers
    .get('c')!
    .ip(
      `route add blackhole ${PROBE_ADDRESSES.ipv4}/32`,
      `route add blackhole ${PROBE_ADDRESSES.ipv6}/128`,
    )
}

const serviceOf = ({ family, forwarding, port, serverPort, broken }: Case) => ({
  ...{ protocol: 'tcp', address: VIP[family], port, scheduler: 'rr' },
  healthChecks: {
    inline: {
      // The body says who answered.
      direct: { kind: 'http', ...SCHEDULE, match: { pattern: '^[abc]\\n$' } },
      through: { kind: 'http', ...SCHEDULE, via: 'service', match: { pattern: '^[abc]\\n$' } },
    },
  },
  realServers: Object.fromEntries(
    ['a', broken].map(name => [
      name,
      {
        ...{ address: serverAddress(name as ServerName, family), port: serverPort, forwarding },
        ...(forwarding === 'tunnel' ? { tunnel: { type: 'ipip' } } : {}),
      },
    ]),
  ),
})
const SCHEDULE = { intervalMilliseconds: 1000, timeoutMilliseconds: 800, rise: 1, fall: 2 }

async function found(t: import('tap').Test, stage: Stage<Sluice>, one: Case): Promise<void> {
  const { family, port, broken } = one
  const states = async (server: ServerName) => {
    const { items, health } = await checksOf(stage, one, server)
    return [health.state, ...items.map(({ name, state }) => `${name} ${state}`)].join(', ')
  }
  await until('a to be up', async () => (await states('a')) === 'up, direct up, through up')
  const wanted = 'down, direct up, through down'
  await until(`${broken} to be down`, async () => (await states(broken)) === wanted)
  const { items } = await checksOf(stage, one, broken)
  t.match(items[1]!.last!.detail, /No end within|unreachable|does not know the protocol/)
  // What answers as the service itself has another way to its clients here than by the director.
  if (one.forwarding !== 'masq') return
  // Whoever is a client meets only the server that can answer.
  const url = `http://${inUrl(VIP[family])}:${port}/`
  const asked = stage.topology.client.must(['curl', '-sSg', '-m', '5', url, url, url, url])
  t.equal(await asked, 'a\na\na\na\n')
}

const checksOf = async (stage: Stage<Sluice>, one: Case, server: ServerName) =>
  (await stage.director.api('GET', `${pathOf(one)}/real-servers/${server}/checks`)) as Checks
