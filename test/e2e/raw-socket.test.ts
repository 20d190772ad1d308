// Sluice over npm raw-socket: IPv4 NAT as over the ring; the rest is refused, with the reason.
import t from 'tap'
import { call } from '../lab/api.js'
import { serverAddress, VIP } from '../lab/cast.js'
import { Sluice } from '../lab/sluice.js'
import { endStage, setStage, watchClient } from './stage.js'
import { httpService, trafficTests } from './traffic.js'

const stage = await setStage(t, (lab, director) =>
  Sluice.start(lab, director, { driver: 'raw-socket' }),
)
const watched = await watchClient(stage)
trafficTests(t, stage, 'ipv4')

t.test('IPv6 is refused with the reason', async t => {
  const { director } = stage.topology
  const body = httpService('ipv6', { a: 1 })
  const answer = await call(director, 'PUT', '/v1/virtual-services/six', body)
  t.ok(answer.status >= 400 && answer.status < 500, `status ${answer.status}`)
  t.match(JSON.stringify(answer.body), /raw-socket/, 'names the driver')
  const list = await call(director, 'GET', '/v1/virtual-services/six')
  t.equal(list.status, 404, 'nothing was stored')
})

t.test('direct routing is refused with the reason', async t => {
  const { director } = stage.topology
  const realServers = { a: { address: serverAddress('a', 'ipv4'), forwarding: 'dr' } }
  const body = { protocol: 'tcp', address: VIP.ipv4, port: 99, realServers }
  const answer = await call(director, 'PUT', '/v1/virtual-services/direct', body)
  t.ok(answer.status >= 400 && answer.status < 500, `status ${answer.status}`)
  t.match(JSON.stringify(answer.body), /raw-socket|forwarding/)
})

endStage(t, stage, watched)
