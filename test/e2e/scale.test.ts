/**
 * With 100,000 connections open, 95 of 100 pages of them are answered within 50 ms while traffic
 * flows. What counts is the server's own time, from a request's arrival to its answer's end, as its
 * log has it: starting a curl costs more than a page, and waits for a processor that the client, the
 * real server and the dataplane keep busy on a small machine.
 */
import t from 'tap'
import { call } from '../lab/api.js'
import { CLIENT_DEVICE, serverAddress, VIP } from '../lab/cast.js'
import { bytesHash, fetchMany } from '../lab/curl.js'
import { SINK_PORT } from '../lab/real-server.js'
import { Sluice } from '../lab/sluice.js'
import { openFlows } from '../lab/udp.js'
import { endStage, setStage } from './stage.js'
import { httpService } from './traffic.js'

const FLOWS = 100_000
const PAGES = 40
const LIMIT_MS = 50
const SOURCES = ['192.0.2.10', '192.0.2.11', '192.0.2.12', '192.0.2.13']
const PAGE = '/v1/connections?limit=100'
const ALL_LOGGED = new RegExp(`(?:"path":"${PAGE.replace('?', '[?]')}"[^\\n]*\\n[^]*?){${PAGES}}`)

const stage = await setStage(t, (lab, director) => Sluice.start(lab, director), { servers: 1 })
const { lab, topology, director } = stage
const { client } = topology

t.test('100,000 connections', async t => {
  await client.ip(...SOURCES.slice(1).map(one => `addr add ${one}/24 dev ${CLIENT_DEVICE}`))
  await director.putService('sink', {
    ...{ protocol: 'udp', address: VIP.ipv4, port: SINK_PORT, scheduler: 'wlc' },
    realServers: { a: { address: serverAddress('a', 'ipv4') } },
  })
  const to = { address: VIP.ipv4, port: SINK_PORT, count: FLOWS, sources: SOURCES }
  t.equal(await openFlows(client, to), FLOWS, 'sent')
  const service = (await director.api('GET', '/v1/virtual-services/sink')) as {
    realServers: { a: { status: { activeConns: number; inactConns: number } } }
  }
  const { activeConns, inactConns } = service.realServers.a.status
  t.equal(activeConns + inactConns, FLOWS, 'open')
})

t.test('a page of them while traffic flows', async t => {
  await director.putService('web', httpService('ipv4', { a: 1 }))
  const url = `http://${VIP.ipv4}/bytes/200000`
  const traffic = fetchMany(lab, client, url, { times: 400, parallel: 4 })
  const { stdout, stderr } = director.process
  for (let i = 0; i < PAGES; i++) {
    const { status, body } = await call(topology.director, 'GET', PAGE)
    const { items, nextCursor } = body as { items: unknown[]; nextCursor: string | null }
    if (status !== 200 || items.length !== 100 || nextCursor === null) t.fail('a full page', body!)
  }
  const fetched = await traffic
  // A request's line is written when its answer is on the way.
  await director.process.waitFor(ALL_LOGGED, 15_000, stdout.length + stderr.length)
  const sorted = servedMs(director.process.stderr.slice(stderr.length)).sort((a, b) => a - b)
  t.equal(sorted.length, PAGES)
  t.comment(`median ${sorted[PAGES / 2]!.toFixed(1)} ms, slowest ${sorted.at(-1)!.toFixed(1)} ms`)
  t.ok(sorted[Math.ceil(PAGES * 0.95) - 1]! < LIMIT_MS, `95 % within ${LIMIT_MS} ms`)
  t.ok(fetched.every(({ exit, sha256 }) => exit === 0 && sha256 === bytesHash(200_000)))
})

/** How long the server took over each page, by its log: JSON, one line a request. */
function servedMs(log: string): number[] {
  const lines = log.split('\n').filter(line => line.startsWith('{') && line.endsWith('}'))
  const entries = lines.map(line => JSON.parse(line) as { path?: string; tookMs?: number })
  return entries.flatMap(({ path, tookMs }) =>
    tookMs !== undefined && path === PAGE ? [tookMs] : [],
  )
}

endStage(t, stage)
