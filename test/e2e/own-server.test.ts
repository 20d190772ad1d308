// Real servers on the balancer itself: their answers leave by its own stack, and must be translated.
import t, { type Test } from 'tap'
import { CLIENT, DIRECTOR_CLIENT_SIDE, FAMILIES, inUrl, VIP } from '../lab/cast.js'
import { bytesHash, fetchMany, fetchOne } from '../lab/curl.js'
import { HTTP_PORT, SINK_PORT, startServer, UDP_PORT } from '../lab/real-server.js'
import { Sluice } from '../lab/sluice.js'
import { askUdp } from '../lab/udp.js'
import { endStage, setStage, watchClient, type Stage } from './stage.js'

type Family = (typeof FAMILIES)[number]
const OCTETS = 3 << 20
/** Nobody listens there. */
const CLOSED_PORT = 4999
const LOCAL_PORT = 80

t.test('real servers on the balancer itself', async t => {
  const stage = await setStage(t, (lab, host) => Sluice.start(lab, host, { killable: true }), {
    servers: 1,
  })
  const watched = await watchClient(stage)
  const { topology } = stage
  await startServer('a', topology.director)
  for (const family of FAMILIES) await services(stage, family)
  for (const family of FAMILIES) {
    translated(t, stage, family)
    direct(t, stage, family)
    datagrams(t, stage, family)
    local(t, stage, family)
  }
  again(t, stage)
  t.test('deleted, they leave nothing behind', async t => {
    for (const family of FAMILIES)
      for (const name of ['tcp', 'udp', 'closed', 'local'])
        await stage.director.deleteService(`${name}-${family}`)
    const found = await fetchOne(stage.lab, topology.client, `http://${DIRECTOR_CLIENT_SIDE.ipv4}/`)
    t.equal(found.exit, 0, 'the server itself is there as ever')
  })
  endStage(t, stage, watched)
})

async function services({ director }: Stage<Sluice>, family: Family): Promise<void> {
  const put = async (name: string, protocol: string, port: number, server: object) => {
    const realServers = { own: { address: DIRECTOR_CLIENT_SIDE[family], ...server } }
    const body = { protocol, address: VIP[family], port, scheduler: 'rr', realServers }
    await director.api('PUT', `/v1/virtual-services/${name}-${family}`, body)
  }
  await put('tcp', 'tcp', 8000, { port: HTTP_PORT })
  await put('udp', 'udp', UDP_PORT + 1, { port: UDP_PORT })
  await put('closed', 'udp', SINK_PORT + 1, { port: CLOSED_PORT })
  await put('local', 'tcp', LOCAL_PORT, { forwarding: 'local' })
}

function translated(t: Test, { lab, topology, director }: Stage<Sluice>, family: Family): void {
  t.test(`${family}: answers of a NAT server come from the service`, async t => {
    const { client } = topology
    const base = `http://${inUrl(VIP[family])}:8000`
    for (const on of [true, false]) {
      await director.host.offload('client0', on)
      const small = await fetchMany(lab, client, `${base}/`, { times: 20, parallel: 5 })
      t.ok(
        small.every(one => one.exit === 0 && one.client === CLIENT[family]),
        'the server sees the client',
      )
      const large = await fetchOne(lab, client, `${base}/bytes/${OCTETS}`, ['-m', '20'])
      t.match(large, { exit: 0, sha256: bytesHash(OCTETS) }, 'a download is whole')
    }
    await director.host.offload('client0', true)
    const states = await statesOf(director, 'tcp', family)
    t.ok(states.length > 0)
    t.strictSame([...new Set(states)], ['TIME_WAIT'], 'both directions were seen')
  })
}

/** Whoever asks the server itself is answered by it, as if there were no balancer. */
function direct(t: Test, { lab, topology }: Stage<Sluice>, family: Family): void {
  t.test(`${family}: the server's own address works beside the service`, async t => {
    const base = `http://${inUrl(DIRECTOR_CLIENT_SIDE[family])}:${HTTP_PORT}`
    const small = await fetchMany(lab, topology.client, `${base}/`, { times: 10, parallel: 5 })
    t.ok(small.every(one => one.exit === 0))
    const large = await fetchOne(lab, topology.client, `${base}/bytes/${OCTETS}`, ['-m', '20'])
    t.match(large, { exit: 0, sha256: bytesHash(OCTETS) }, 'a download is whole')
  })
}

function datagrams(t: Test, { topology }: Stage<Sluice>, family: Family): void {
  t.test(`${family}: datagrams, and errors about them`, async t => {
    const sizes = [0, 1, 1200, 1456, 3000, 20000]
    const order = { address: VIP[family], port: UDP_PORT + 1, sizes }
    const report = await askUdp(topology.client, order)
    t.match(report, { answered: sizes.length, corrupt: 0, lost: 0, errors: {} })
    const closed = await askUdp(topology.client, { ...order, port: SINK_PORT + 1, sizes: [10, 20] })
    t.match(closed, { lost: 0, errors: { ECONNREFUSED: 2 } }, 'the closed port is told of')
  })
}

/** VS/DR's twin: the host answers as the service itself; its answers are only watched. */
function local(t: Test, { lab, topology, director }: Stage<Sluice>, family: Family): void {
  t.test(`${family}: the state of a local server's connection follows its answers`, async t => {
    const url = `http://${inUrl(VIP[family])}:${LOCAL_PORT}/`
    const found = await fetchMany(lab, topology.client, url, { times: 5 })
    t.ok(found.every(one => one.exit === 0))
    const states = await statesOf(director, 'local', family)
    t.equal(states.length, 5)
    // Without the server's FIN it would be CLOSE or FIN_WAIT by the table of one direction.
    t.strictSame([...new Set(states)], ['TIME_WAIT'])
  })
}

function again(t: Test, stage: Stage<Sluice>): void {
  t.test('a lost worker takes nothing with it', async t => {
    const { lab, topology, director } = stage
    const url = `http://${inUrl(VIP.ipv4)}:8000/`
    const before = director.process.stderr.length
    director.loseWorker()
    await director.process.waitFor(/dataplane has everything/, 15_000, before)
    const found = await fetchMany(lab, topology.client, url, { times: 5, extra: ['--retry', '5'] })
    t.ok(found.every(one => one.exit === 0))
  })
}

async function statesOf(director: Sluice, name: string, family: Family): Promise<string[]> {
  const path = `/v1/connections?service=${name}-${family}`
  const page = (await director.api('GET', path)) as { items: { state: string }[] }
  return page.items.map(({ state }) => state)
}
