/** DELETE /v1/connections over the real engine. */
import t from 'tap'
import { SharedConnections } from '../../../server/live/connections.js'
import { startAppliance } from '../fixtures/appliance.js'
import { EngineDataplane } from '../fixtures/engine-dataplane.js'

const service = (protocol: string, address: string, servers: readonly string[], rest = {}) => ({
  ...{ protocol, address, port: 80, scheduler: 'rr' },
  realServers: Object.fromEntries(servers.map((each, i) => ['ab'[i]!, { address: each }])),
  ...rest,
})

async function start() {
  const dataplane = new EngineDataplane()
  const connections = new SharedConnections(dataplane.memory)
  const a = await startAppliance({ dataplane, connections })
  t.teardown(() => a.close())
  for (const vip of ['198.51.100.10/32', '2001:db8:f::10/128'])
    dataplane.topology.addAddress(vip, 'eth0')
  const servers = ['192.168.10.11', '192.168.10.12']
  const persistence = { timeoutSeconds: 60, netmask: '255.255.255.255' }
  for (const [name, body] of [
    ['web', service('tcp', '198.51.100.10', servers, { persistence })],
    ['web6', service('tcp', '2001:db8:f::10', ['2001:db8:10::11'])],
    ['dns', service('udp', '198.51.100.10', servers)],
  ] as const)
    t.equal((await a.send('PUT', `/v1/virtual-services/${name}`, body)).statusCode, 201)
  const tcp = { srcPort: 4000, dstPort: 80, flags: 'S' }
  const udp = { srcPort: 4000, dstPort: 80 }
  for (const last of [1, 2, 3, 130]) {
    dataplane.receive({ src: `192.0.2.${last}`, dst: '198.51.100.10', tcp })
    dataplane.receive({ src: `192.0.2.${last}`, dst: '198.51.100.10', udp })
  }
  dataplane.receive({ src: '2001:db8:1::9', dst: '2001:db8:f::10', tcp })
  const kill = async (query: string) => {
    const answer = await a.send('DELETE', `/v1/connections?${query}`)
    return answer.statusCode === 200 ? answer.json<object>() : answer.json<{ code: string }>()
  }
  return { ...a, kill, dataplane }
}

const cases: readonly [query: string, connections: number, templates: number][] = [
  ['service=web', 4, 4],
  ['service=web&kind=connection', 4, 0],
  ['service=web&kind=template', 0, 4],
  ['service=web6', 1, 0],
  ['service=dns&realServer=a', 2, 0],
  ['realServer=192.168.10.12', 4, 2],
  ['realServer=192.168.10.0/24&protocol=udp', 4, 0],
  ['client=192.0.2.0/25', 6, 3],
  ['client=192.0.2.1:4000', 2, 0],
  ['client=[2001:db8:1::9]:4000', 1, 0],
  ['client=2001:db8:1::/48', 1, 0],
  ['state=SYN_RECV', 5, 0],
  ['protocol=udp', 4, 0],
  ['all=true', 9, 4],
]

for (const [query, connections, templates] of cases) {
  t.test(`${query} ends what the list shows with it`, async t => {
    const { kill, ...a } = await start()
    const listed = async () => {
      const answer = await a.send(
        'GET',
        `/v1/connections?${query.replace('all=true', '')}&limit=1000`,
      )
      const { items } = answer.json<{ items: { template: boolean; state: string }[] }>()
      // What was ended is listed as closed for a while.
      return items.filter(each => each.state !== 'CLOSE')
    }
    t.equal((await listed()).length, connections + templates)
    const trial = await kill(`${query}&dryRun=true`)
    t.strictSame(trial, { connections, templates, dryRun: true })
    t.equal((await listed()).length, connections + templates, 'a trial ends nothing')
    t.strictSame(await kill(query), { connections, templates, dryRun: false })
    t.strictSame(await listed(), [])
    t.strictSame(await kill(query), { connections: 0, templates: 0, dryRun: false })
  })
}

t.test('what is refused', async t => {
  const { kill } = await start()
  t.match(await kill(''), { code: 'FILTER_REQUIRED', detail: /all=true/ })
  t.match(await kill('dryRun=true&reset=false'), { code: 'FILTER_REQUIRED' })
  t.match(await kill('service=none'), { code: 'SERVICE_NOT_FOUND' })
  t.match(await kill('service=web&realServer=none'), { code: 'REAL_SERVER_NOT_FOUND' })
  t.match(await kill('realServer=a'), { code: 'INVALID_PARAMETER' })
  t.match(await kill('client=192.0.2.0/33'), { code: 'INVALID_PARAMETER' })
  t.strictSame(await kill('all=true&dryRun=true'), { connections: 9, templates: 4, dryRun: true })
})

t.test('a disabled real server may still have connections', async t => {
  const { kill, ...a } = await start()
  const url = '/v1/virtual-services/dns/real-servers/a'
  await a.send('PATCH', url, { adminState: 'disabled' })
  t.match(await kill('service=dns&realServer=a'), { connections: 2 })
})

t.test('without a reset nothing is sent', async t => {
  const { kill, dataplane } = await start()
  dataplane.sent()
  t.match(await kill('service=web&reset=false'), { connections: 4 })
  t.equal(dataplane.sent().length, 0)
  t.match(await kill('service=web6'), { connections: 1 })
  dataplane.advance(1)
  t.ok(dataplane.sent().length > 0)
})
