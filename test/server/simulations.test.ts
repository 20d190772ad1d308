import t from 'tap'
import { readFileSync } from 'node:fs'
import type { LightMyRequestResponse } from 'fastify'
import { Compile } from 'typebox/compile'
import { openApiFile } from '../../server/openapi-file.js'
import { SharedConnections } from '../../server/live/connections.js'
import { startAppliance } from './fixtures/appliance.js'
import { EngineDataplane } from './fixtures/engine-dataplane.js'

const web = {
  protocol: 'tcp',
  address: '198.51.100.10',
  port: 80,
  scheduler: 'wrr',
  realServers: {
    a: { address: '192.168.10.11', port: 8080, weight: 2 },
    b: { address: '192.168.10.12', port: 8080, adminState: 'draining' },
  },
}
const tuple = {
  protocol: 'tcp',
  client: { address: '192.0.2.9', port: 40000 },
  virtual: { address: '198.51.100.10', port: 80 },
}

async function start() {
  const dataplane = new EngineDataplane()
  const connections = new SharedConnections(dataplane.memory)
  dataplane.topology.addAddress('198.51.100.10/32', 'eth0')
  const a = await startAppliance({ dataplane, connections })
  t.teardown(() => a.close())
  for (const [url, body] of [
    ['/v1/virtual-services/web', web],
    ['/v1/mark-rules/one', { mark: 1, addressFamily: 'ipv4', source: '203.0.113.0/24' }],
  ] as const)
    t.equal((await a.send('PUT', url, body)).statusCode, 201)
  return { ...a, dataplane, post: (body: unknown) => a.send('POST', '/v1/simulations', body) }
}

/** The published answer, in the eyes of a validator that is not ours. */
function published(name: string) {
  const text = readFileSync(openApiFile, 'utf8').replaceAll('#/components/schemas/', '#/$defs/')
  const { components } = JSON.parse(text) as { components: { schemas: Record<string, object> } }
  return Compile({ ...components.schemas[name], $defs: components.schemas })
}

t.test('names every step', async t => {
  const { post, dataplane, ...a } = await start()
  const before = (await a.send('GET', '/v1/stats')).json<object>()
  const answer = await post(tuple)
  t.equal(answer.statusCode, 200, answer.body)
  t.match(answer.json(), {
    packet: { interface: 'eth0', text: /^ip 192\.0\.2\.9\.40000 > 198\.51\.100\.10\.80: tcp S/ },
    mark: { value: 0, rule: null, used: false },
    service: { name: 'web', key: 'tcp 198.51.100.10:80', lookup: 'exact', scheduler: 'wrr' },
    connection: { status: 'new', realServer: { address: '192.168.10.11', port: 8080 } },
    template: null,
    decidedBy: 'scheduler',
    realServers: [
      { name: 'b', weight: 0, chosen: false, passedOver: 'weightZero' },
      { name: 'a', weight: 2, chosen: true, passedOver: null },
    ],
    mtu: { octets: 40, limitOctets: 1500, outcome: 'fits' },
    nextHop: { towards: '192.168.10.11', kind: 'ethernet', interface: 'eth1' },
    sent: [{ interface: 'eth1', text: /^ip 192\.0\.2\.9\.40000 > 192\.168\.10\.11\.8080: tcp S/ }],
    verdict: 'forwarded',
    counter: 'forwarded',
  })
  t.strictSame(published('Simulation').Errors(answer.json()), [])
  const example = Reflect.get(published('SimulationRequest').Type(), 'examples') as object[]
  t.equal((await post(example[0])).statusCode, 200)
  t.strictSame(published('SimulationRequest').Errors(tuple), [])
  const after = (await a.send('GET', '/v1/stats')).json<object>()
  t.strictSame({ ...after, time: 0 }, { ...before, time: 0 })
  t.strictSame(dataplane.sent(), [])
  t.strictSame((await a.send('GET', '/v1/connections')).json<{ items: [] }>().items, [])
})

t.test('takes a packet, an interface and a mark', async t => {
  const { post } = await start()
  const first = (await post(tuple)).json<{ packet: { hex: string }; sent: object[] }>()
  const spaced = first.packet.hex.replaceAll(/(..)/g, '$1 ').trim()
  const same = await post({ packet: spaced, interface: 'eth1' })
  t.match(same.json(), { packet: { interface: 'eth1', hex: first.packet.hex }, sent: first.sent })
  const from = { ...tuple, client: { address: '203.0.113.1', port: 1 } }
  t.match((await post(from)).json(), { mark: { value: 1, rule: 'one', used: false } })
  t.match((await post({ ...from, mark: 5 })).json(), { mark: { value: 5, rule: null } })
  const ack = await post({ ...tuple, tcpFlags: 'PA' })
  t.match(ack.json(), { packet: { text: /tcp P\./ }, verdict: 'answered', connection: null })
})

interface Problem {
  code: string
  errors: { pointer: string; code: string }[]
}

t.test('says what is wrong with a request', async t => {
  const { post } = await start()
  const faults = async (answer: Promise<LightMyRequestResponse>, status = 422) => {
    const received = await answer
    const { statusCode, body } = received
    t.equal(statusCode, status, body)
    return received.json<Problem>().errors.map(({ pointer, code }) => `${pointer} ${code}`)
  }
  t.strictSame(await faults(post({})), [
    '/protocol MISSING_FIELD',
    '/client MISSING_FIELD',
    '/virtual MISSING_FIELD',
  ])
  t.strictSame(await faults(post({ packet: 'xyz' })), ['/packet INVALID_VALUE'])
  t.strictSame(await faults(post({ packet: '123' })), ['/packet INVALID_VALUE'])
  t.strictSame(await faults(post({ packet: '7000' })), ['/packet INVALID_VALUE'])
  t.strictSame(await faults(post({ packet: '' })), ['/packet INVALID_VALUE'])
  t.strictSame(await faults(post({ packet: '4500', protocol: 'tcp' })), [
    '/protocol CONFLICTING_FIELDS',
  ])
  t.strictSame(await faults(post({ ...tuple, interface: 'eth7' })), [
    '/interface INTERFACE_NOT_FOUND',
  ])
  t.strictSame(await faults(post({ ...tuple, protocol: 'udp', tcpFlags: 'S' })), [
    '/tcpFlags CONFLICTING_FIELDS',
  ])
  t.strictSame(await faults(post({ ...tuple, virtual: { address: '2001:db8::1', port: 80 } })), [
    '/virtual FAMILY_MISMATCH',
  ])
  t.strictSame(await faults(post({ ...tuple, client: { address: '1.2.3', port: 70000 } })), [
    '/client/port OUT_OF_RANGE',
    '/client/address INVALID_ADDRESS',
  ])
  t.strictSame(await faults(post({ ...tuple, clinet: 1, mark: -1 })), [
    '/clinet UNKNOWN_FIELD',
    '/mark OUT_OF_RANGE',
  ])
  t.equal((await post(undefined)).statusCode, 400)
})

t.test('a dataplane that is away', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  a.dataplane.goDown('It is away.')
  const answer = await a.send('POST', '/v1/simulations', tuple)
  t.equal(answer.statusCode, 503, answer.body)
  t.equal(answer.json<Problem>().code, 'DATAPLANE_UNAVAILABLE')
})
