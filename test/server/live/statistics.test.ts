import t from 'tap'
import { startAppliance } from '../fixtures/appliance.js'
import { EngineDataplane } from '../fixtures/engine-dataplane.js'

interface Figures {
  name: string
  conns: number
  inPkts: number
  outPkts: number
  inBytes: number
  outBytes: number
  cps: number
  inPps: number
  inBps: number
  activeConns: number
  inactConns: number
  persistConns: number
}
interface Report {
  connections: number
  totals: Figures
  services: (Figures & { realServers: Figures[] })[]
  dataplane: Record<string, number>
}

async function start() {
  const dataplane = new EngineDataplane()
  const a = await startAppliance({ dataplane })
  const put = async (url: string, body: object) => {
    const answer = await a.send('PUT', `/v1${url}`, body)
    if (answer.statusCode > 201) throw new Error(answer.body)
  }
  const read = async (query = '') => (await a.send('GET', `/v1/stats${query}`)).json<Report>()
  const zero = (body?: unknown) => a.send('POST', '/v1/stats/zero', body)
  return { ...a, dataplane, put, read, zero }
}

/** 40 octets of IPv4 and TCP, as all of these. */
const segment = (src: string, srcPort: number, dst: string, dstPort: number, flags: string) => ({
  ...{ src, dst },
  tcp: { srcPort, dstPort, seq: 1, ack: 1, flags },
})
const VIP = '198.51.100.10'

async function busy() {
  const s = await start()
  s.dataplane.topology.addAddress(`${VIP}/32`, 'eth0')
  const realServers = {
    b: { address: '10.0.0.12', port: 8080, weight: 0 },
    a: { address: '10.0.0.11', port: 8080 },
  }
  const service = { protocol: 'tcp', address: VIP, scheduler: 'rr', realServers }
  await s.put('/virtual-services/web', { ...service, port: 80 })
  await s.put('/virtual-services/sticky', { ...service, port: 443, persistence: {} })
  return s
}

/** Three connections to `web`, one of them answered, then reset, and one to `sticky`. */
function traffic({ dataplane }: { dataplane: EngineDataplane }) {
  for (const port of [1000, 1001, 1002]) dataplane.receive(segment('192.0.2.1', port, VIP, 80, 'S'))
  dataplane.receive(segment('10.0.0.11', 8080, '192.0.2.1', 1000, 'S.'))
  dataplane.receive(segment('192.0.2.1', 1000, VIP, 80, '.'))
  dataplane.receive(segment('192.0.2.1', 1000, VIP, 80, 'R'))
  dataplane.receive(segment('192.0.2.2', 2000, VIP, 443, 'S'))
}

t.test('counters of each service and server, and their sums', async t => {
  const s = await busy()
  t.teardown(() => s.close())
  traffic(s)
  const { connections, totals, services, dataplane } = await s.read()
  t.equal(connections, 5, 'with the template')
  t.strictSame(
    services.map(({ name }) => name),
    ['sticky', 'web'],
  )
  const web = services[1]!
  const counted = { conns: 3, inPkts: 5, outPkts: 1, inBytes: 200, outBytes: 40 }
  // After the reset one is closed; SYN_RECV counts as active.
  t.match(web, { ...counted, activeConns: 2, inactConns: 1, persistConns: 0 })
  t.strictSame(
    web.realServers.map(({ name }) => name),
    ['a', 'b'],
  )
  t.match(web.realServers[0], { ...counted, activeConns: 2, inactConns: 1 })
  t.match(web.realServers[1], { conns: 0, inPkts: 0, activeConns: 0 })
  t.match(services[0], { conns: 1, inPkts: 1, activeConns: 1, persistConns: 1 })
  t.match(totals, { conns: 4, inPkts: 6, outPkts: 1, inBytes: 240, outBytes: 40 })
  t.equal(dataplane.received, 7)
  t.equal(dataplane.forwarded, 7)
  const one = await s.read('?service=web')
  t.strictSame(
    one.services.map(({ name }) => name),
    ['web'],
  )
  t.equal((await s.send('GET', '/v1/stats?service=none')).statusCode, 404)
})

t.test('rates move as the kernel’s', async t => {
  const s = await busy()
  t.teardown(() => s.close())
  // ip_vs_est.c worked out by hand: 12 connections of one packet of 40 octets in two seconds make
  // (12 << 9 >> 2) + 511 >> 10 = 1 and (480 << 4 >> 2) + 15 >> 5 = 60 (also a recorded case).
  for (let i = 0; i < 12; i++) s.dataplane.receive(segment('192.0.2.1', 1000 + i, VIP, 80, 'S'))
  s.dataplane.advance(2.5)
  const web = (await s.read()).services[1]!
  t.match(web, { conns: 12, cps: 1, inPps: 1, inBps: 60 })
  t.match(web.realServers[0], { cps: 1, inBps: 60 })
  t.match((await s.read()).totals, { cps: 1, inBps: 60 })
})

t.test('zero: everything, or one service', async t => {
  const s = await busy()
  t.teardown(() => s.close())
  traffic(s)
  const one = await s.zero({ service: 'sticky' })
  t.equal(one.statusCode, 200)
  t.equal(one.json<Report>().services.length, 1)
  t.match(one.json(), {
    totals: { conns: 4 },
    services: [{ name: 'sticky', conns: 0, inPkts: 0, activeConns: 1, persistConns: 1 }],
  })
  const still = await s.read()
  t.equal(still.services[1]!.conns, 3, 'the other service keeps its counters')
  const all = await s.zero()
  t.equal(all.statusCode, 200)
  const zeroed = all.json<Report>()
  t.match(zeroed, { connections: 5, totals: { conns: 0, inPkts: 0, inBytes: 0 } })
  t.match(zeroed.services[1], { conns: 0, outBytes: 0, activeConns: 2, inactConns: 1 })
  t.match(zeroed.services[1]!.realServers[0], { conns: 0, inPkts: 0 })
  s.dataplane.receive(segment('192.0.2.1', 1000, VIP, 80, '.'))
  t.match((await s.read()).services[1], { conns: 0, inPkts: 1, inBytes: 40 })
  t.equal(s.control.revision(), 2, 'it is no change of the configuration')
})

t.test('zero: what is refused', async t => {
  const s = await start()
  t.teardown(() => s.close())
  t.match((await s.zero({ service: 'none' })).json(), { code: 'SERVICE_NOT_FOUND' })
  t.match((await s.zero({ servce: 'x' })).json(), {
    status: 422,
    errors: [{ pointer: '/servce', code: 'UNKNOWN_FIELD', hint: "Did you mean 'service'?" }],
  })
  t.match((await s.zero({ service: 1 })).json(), { errors: [{ code: 'WRONG_TYPE' }] })
  t.match((await s.zero('null')).json(), { errors: [{ pointer: '', code: 'WRONG_TYPE' }] })
  t.equal((await s.zero('{}')).statusCode, 200)
  t.equal((await s.send('GET', '/v1/stats/zero')).statusCode, 405)
  const idle = await startAppliance()
  t.teardown(() => idle.close())
  idle.dataplane.goDown('down')
  t.match((await idle.send('POST', '/v1/stats/zero')).json(), { code: 'DATAPLANE_UNAVAILABLE' })
})
