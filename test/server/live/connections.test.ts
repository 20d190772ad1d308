import t from 'tap'
import { TEMPLATE } from '../../../dataplane/shared/conn-record.js'
import type { PacketRecord } from '../../fixtures/packets.js'
import { SharedConnections } from '../../../server/live/connections.js'
import { startAppliance } from '../fixtures/appliance.js'
import { EngineDataplane } from '../fixtures/engine-dataplane.js'

interface Item {
  service: string | null
  protocol: string
  fwmark: number | null
  client: { address: string; port: number }
  virtual: { address: string; port: number }
  realServer: { name: string | null; address: string; port: number }
  forwarding: string
  state: string
  expiresInSeconds: number
  template: boolean
  engine: { name: string; data: string } | null
}
interface List {
  items: Item[]
  nextCursor: string | null
}

async function start(connsMax?: number) {
  const dataplane = new EngineDataplane(connsMax)
  const connections = new SharedConnections(dataplane.memory)
  const a = await startAppliance({ dataplane, connections })
  const put = async (name: string, body: object) => {
    const answer = await a.send('PUT', `/v1/virtual-services/${name}`, body)
    if (answer.statusCode > 201) throw new Error(answer.body)
  }
  const list = async (query: string) => {
    const answer = await a.send('GET', `/v1/connections?${query}`)
    if (answer.statusCode !== 200) throw new Error(answer.body)
    return answer.json<List>()
  }
  /** `ipvsadm -Lnc`, without the expiry, sorted. */
  const lines = async (query: string) =>
    (await list(query)).items
      .map(({ protocol, state, client, virtual, realServer }) =>
        [protocol, state, ...[client, virtual, realServer].map(e => `${e.address}:${e.port}`)].join(
          ' ',
        ),
      )
      .sort()
  return { ...a, dataplane, put, list, lines }
}

const syn = (src: string, srcPort: number, dst: string, dstPort = 80): PacketRecord => ({
  ...{ src, dst },
  tcp: { srcPort, dstPort, seq: 1, flags: 'S' },
})
const datagram = (src: string, srcPort: number, dst: string, dstPort: number): PacketRecord => ({
  ...{ src, dst },
  udp: { srcPort, dstPort, payload: Uint8Array.from([1]) },
})

const web = {
  protocol: 'tcp',
  address: '198.51.100.10',
  port: 80,
  scheduler: 'rr',
  realServers: {
    a: { address: '10.0.0.11', port: 8080 },
    b: { address: '10.0.0.12', port: 8080 },
  },
}

/** Addresses, marks, both families and persistence, with some traffic. */
async function busy() {
  const s = await start()
  for (const vip of ['198.51.100.10/32', '2001:db8:100::10/128'])
    s.dataplane.topology.addAddress(vip, 'eth0')
  await s.put('web', web)
  await s.put('six', {
    ...{ protocol: 'udp', address: '2001:db8:100::10', port: 53 },
    realServers: { c: { address: '2001:db8::c', forwarding: 'dr' } },
  })
  await s.put('group', {
    ...{ fwmark: 7, addressFamily: 'ipv4', persistence: { timeoutSeconds: 600 } },
    realServers: { d: { address: '10.0.0.13' } },
  })
  const rule = { mark: 7, addressFamily: 'ipv4', destination: '203.0.113.0/24' }
  const answer = await s.send('PUT', '/v1/mark-rules/group', rule)
  if (answer.statusCode !== 201) throw new Error(answer.body)
  s.dataplane.receive(
    syn('192.0.2.1', 1000, '198.51.100.10'),
    syn('192.0.2.2', 2000, '198.51.100.10'),
    syn('192.0.2.2', 2001, '198.51.100.10'),
    datagram('2001:db8:2::1', 5000, '2001:db8:100::10', 53),
    syn('192.0.2.3', 3000, '203.0.113.5', 443),
    datagram('192.0.2.3', 3001, '203.0.113.6', 123),
  )
  return s
}

t.test('everything that ipvsadm -Lnc shows', async t => {
  const s = await busy()
  t.teardown(() => s.close())
  t.strictSame(await s.lines(''), [
    // The kernel's line for such a template: `IP  09:51  NONE  198.51.100.5:0  0.0.0.7:0  10.0.0.9:0`
    'ip NONE 192.0.2.3:0 0.0.0.7:0 10.0.0.13:0',
    'tcp SYN_RECV 192.0.2.1:1000 198.51.100.10:80 10.0.0.12:8080',
    'tcp SYN_RECV 192.0.2.2:2000 198.51.100.10:80 10.0.0.11:8080',
    'tcp SYN_RECV 192.0.2.2:2001 198.51.100.10:80 10.0.0.12:8080',
    'tcp SYN_RECV 192.0.2.3:3000 203.0.113.5:443 10.0.0.13:443',
    'udp UDP 192.0.2.3:3001 203.0.113.6:123 10.0.0.13:123',
    'udp UDP 2001:db8:2::1:5000 2001:db8:100::10:53 2001:db8::c:53',
  ])
  const [item] = (await s.list('client=192.0.2.1')).items
  t.strictSame(item, {
    service: 'web',
    protocol: 'tcp',
    fwmark: null,
    client: { address: '192.0.2.1', port: 1000 },
    virtual: { address: '198.51.100.10', port: 80 },
    realServer: { name: 'b', address: '10.0.0.12', port: 8080 },
    forwarding: 'masq',
    state: 'SYN_RECV',
    expiresInSeconds: 60,
    inPkts: 1,
    template: false,
    engine: null,
  })
  s.dataplane.advance(5.5)
  t.equal((await s.list('client=192.0.2.1')).items[0]!.expiresInSeconds, 54)
  t.match((await s.list('kind=template')).items, [
    { service: 'group', fwmark: 7, template: true, realServer: { name: 'd' } },
  ])
})

t.test('filters', async t => {
  const s = await busy()
  t.teardown(() => s.close())
  const count = async (query: string) => (await s.list(query)).items.length
  for (const [query, expected] of [
    ['kind=connection', 6],
    ['kind=template', 1],
    ['kind=all', 7],
    ['protocol=tcp', 4],
    ['protocol=udp', 2],
    ['protocol=ip', 1],
    ['protocol=sctp', 0],
    ['state=UDP', 2],
    ['state=SYN_RECV&protocol=tcp', 4],
    ['state=ESTABLISHED', 0],
    ['service=web', 3],
    ['service=six', 1],
    ['service=group', 3],
    ['service=group&kind=connection', 2],
    ['service=group&protocol=udp', 1],
    ['service=web&protocol=udp', 0],
    ['service=gone', 0],
    ['client=192.0.2.2', 2],
    ['client=192.0.2.2:2001', 1],
    ['client=2001:DB8:2:0::1', 1],
    ['client=[2001:db8:2::1]:5000', 1],
    ['client=[2001:db8:2::1]:5001', 0],
    ['realServer=10.0.0.12', 2],
    ['realServer=10.0.0.12:8080', 2],
    ['realServer=10.0.0.12:80', 0],
    ['realServer=b&service=web', 2],
    ['realServer=x&service=web', 0],
    ['realServer=d&service=group', 3],
    ['realServer=2001:db8::c', 1],
    ['client=192.0.2.2&realServer=10.0.0.11', 1],
  ] as const)
    t.equal(await count(query), expected, query)
  for (const [query, parameter] of [
    ['client=x', 'client'],
    ['client=192.0.2.1:70000', 'client'],
    ['realServer=1.2.3', 'realServer'],
    ['realServer=b', 'realServer'],
    ['kind=templates', 'kind'],
    ['protocol=icmp', 'protocol'],
    ['cursor=zz', 'cursor'],
  ])
    t.match((await s.send('GET', `/v1/connections?${query}`)).json(), {
      status: 400,
      errors: [{ parameter }],
    })
})

t.test('names of what has gone or come back', async t => {
  const s = await busy()
  t.teardown(() => s.close())
  const first = async (query: string) => (await s.list(query)).items[0]
  await s.send('DELETE', '/v1/virtual-services/web/real-servers/b')
  t.match(await first('client=192.0.2.1'), { service: 'web', realServer: { name: null } })
  t.equal((await s.list('service=web')).items.length, 3, 'they are still its connections')
  t.match(await s.list('service=web&realServer=b'), { items: [] })
  await s.send('PUT', '/v1/virtual-services/web/real-servers/b2', web.realServers.b)
  t.match(await first('client=192.0.2.1'), { service: 'web', realServer: { name: 'b2' } })
  t.equal((await s.list('service=web&realServer=b2')).items.length, 2)
  await s.send('DELETE', '/v1/virtual-services/group')
  t.match(await first('client=192.0.2.3&kind=connection'), {
    service: null,
    fwmark: 7,
    realServer: { name: null, address: '10.0.0.13' },
  })
  await s.put('again', { fwmark: 7, addressFamily: 'ipv4' })
  t.match(await first('client=192.0.2.3&kind=connection'), { service: 'again' })
})

t.test('a service of port 0, and FTP, have connections on other ports', async t => {
  const s = await start()
  t.teardown(() => s.close())
  s.dataplane.topology.addAddress('198.51.100.10/32', 'eth0')
  const realServers = { a: { address: '10.0.0.11' } }
  await s.put('all', { ...web, port: 0, persistence: {}, realServers })
  await s.put('ftp', { ...web, port: 21, persistence: {}, realServers })
  s.dataplane.receive(
    syn('192.0.2.1', 1000, '198.51.100.10', 80),
    syn('192.0.2.1', 1001, '198.51.100.10', 443),
    syn('192.0.2.2', 1002, '198.51.100.10', 21),
    syn('192.0.2.2', 1003, '198.51.100.10', 20000),
  )
  const ports = async (query: string) =>
    (await s.list(query)).items.map(({ virtual }) => virtual.port).sort((a, b) => a - b)
  t.strictSame(await ports('service=all'), [0, 80, 443])
  t.strictSame(await ports('service=ftp'), [0, 21, 20000])
  await s.put('web', { ...web, port: 2121 })
  await s.send('PATCH', '/v1/settings', { ftpPorts: [2121] })
  s.dataplane.receive(syn('192.0.2.3', 1004, '198.51.100.10', 2121))
  t.strictSame(await ports('service=web'), [2121])
  await s.send('DELETE', '/v1/virtual-services/all/real-servers/a')
  t.strictSame(await ports('service=all'), [0, 80, 443], 'found by their address')
})

t.test('cursors lead through the whole table, each entry once', async t => {
  const s = await start()
  t.teardown(() => s.close())
  s.dataplane.topology.addAddress('198.51.100.10/32', 'eth0')
  await s.put('web', web)
  for (let i = 0; i < 250; i++) s.dataplane.receive(syn('192.0.2.1', 1000 + i, '198.51.100.10'))
  const seen: number[] = []
  let url: string | undefined = '/v1/connections?limit=40&service=web&realServer=a'
  let pages = 0
  while (url !== undefined) {
    const answer = await s.send('GET', url)
    const { items, nextCursor } = answer.json<List>()
    t.ok(items.length <= 40)
    seen.push(...items.map(({ client }) => client.port))
    url = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers.link))?.[1]
    t.equal(url === undefined, nextCursor === null)
    pages++
  }
  t.equal(pages >= 4, true)
  t.strictSame(
    seen.sort((a, b) => a - b),
    Array.from({ length: 125 }, (_, i) => 1001 + 2 * i),
  )
})

t.test('a page of 100,000 connections takes less than 50 ms', async t => {
  const count = 100_000
  const s = await start(count + 100)
  t.teardown(() => s.close())
  await s.put('web', web)
  const { conns } = s.dataplane.ipvs
  const { params } = conns
  const dest = [...s.dataplane.ipvs.services].flatMap(({ dests }) => dests)[0]!
  for (let i = 0; i < count; i++) {
    const client = { c0: (0xc0000200 | 0) + (i >>> 8), cport: 1024 + (i & 255) }
    const virtual = { v0: 0xc633640a | 0, vport: 80, dport: 8080 }
    Object.assign(params, { family: 4, protocol: 6, ...client, ...virtual })
    conns.release(conns.create(params, dest, i % 100 === 0 ? TEMPLATE : 0, 0))
  }
  s.dataplane.advance(0.01)
  const timed = async (query: string, limitMs = 50) => {
    let best = Infinity
    let list: List = { items: [], nextCursor: null }
    for (let i = 0; i < 5; i++) {
      const startMs = performance.now()
      list = await s.list(query)
      best = Math.min(best, performance.now() - startMs)
    }
    t.comment(`${query}: ${list.items.length} items in ${best.toFixed(1)} ms`)
    t.ok(best < limitMs, query)
    return list
  }
  t.equal((await timed('limit=1000')).items.length, 1000)
  // The longest page there is.
  t.equal((await timed('limit=10000', 500)).items.length > 1000, true)
  // The one that matches is the last in the table: all have to be looked at.
  const last = `client=${[192, 0, 2 + ((count - 1) >>> 16), ((count - 1) >>> 8) & 255].join('.')}`
  let cursor = ''
  let found = 0
  let calls = 0
  while (calls++ < 100) {
    const page = await timed(`limit=1000&${last}:${1024 + ((count - 1) & 255)}${cursor}`)
    found += page.items.length
    if (page.nextCursor === null) break
    cursor = `&cursor=${page.nextCursor}`
  }
  t.equal(found, 1)
})

t.test('a SIP call is listed with its Call-ID', async t => {
  const s = await start()
  t.teardown(() => s.close())
  s.dataplane.topology.addAddress('198.51.100.10/32', 'eth0')
  await s.put('sip', {
    ...{ protocol: 'udp', address: '198.51.100.10', port: 5060, onePacket: true },
    persistence: { engine: 'sip' },
    realServers: { a: { address: '10.0.0.11', port: 5060 } },
  })
  const payload = Buffer.from('INVITE sip:b SIP/2.0\r\nCall-ID: a84b4c76e66710@pc33\r\n\r\n')
  const [src, dst] = ['192.0.2.1', '198.51.100.10']
  s.dataplane.receive({ src, dst, udp: { srcPort: 5060, dstPort: 5060, payload } })
  const { items } = await s.list('')
  t.strictSame(
    items.map(({ template, engine }) => ({ template, engine })),
    [{ template: true, engine: { name: 'sip', data: 'a84b4c76e66710@pc33' } }],
  )
})
