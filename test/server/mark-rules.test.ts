import t from 'tap'
import { startAppliance } from './fixtures/appliance.js'
import { EngineDataplane } from './fixtures/engine-dataplane.js'
import { FakeDataplane } from './fixtures/fake-dataplane.js'

const url = '/v1/mark-rules/web'
const rule = {
  mark: 1,
  addressFamily: 'ipv4',
  protocol: 'tcp',
  destination: '198.51.100.0/24',
  destinationPorts: ['80', '8000-8099'],
}
interface List {
  items: { name: string }[]
  nextCursor: string | null
}
interface Refusal {
  errors: { pointer: string; code: string; hint?: string }[]
}

t.test('the life of a mark rule', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const created = await a.send('PUT', url, rule)
  t.equal(created.statusCode, 201, created.body)
  t.equal(created.headers.location, url)
  t.equal(created.headers['config-revision'], '1')
  t.match(created.json(), { name: 'web', ...rule, order: 100, labels: {}, meta: { revision: 1 } })
  t.strictSame(a.dataplane.markRules, [
    {
      mark: 1,
      family: 'ipv4',
      protocol: 6,
      source: null,
      destination: '198.51.100.0/24',
      sourcePorts: null,
      destinationPorts: [
        { first: 80, last: 80 },
        { first: 8000, last: 8099 },
      ],
      interface: null,
    },
  ])
  const ops = a.dataplane.log.length
  const read = await a.send('GET', url)
  t.equal(read.body, created.body)
  const again = await a.send('PUT', url, read.body)
  t.equal(again.statusCode, 200)
  t.equal(again.body, created.body)
  t.equal(again.headers['config-revision'], '1')
  t.equal(a.dataplane.log.length, ops)

  const patched = await a.send('PATCH', url, { destinationPorts: null, interface: 'eth0' })
  t.equal(patched.statusCode, 200)
  t.notMatch(patched.json(), { destinationPorts: [] })
  t.match(a.dataplane.markRules, [{ destinationPorts: null, interface: 'eth0' }])
  const etag = { 'if-match': String(created.headers.etag) }
  t.equal((await a.send('DELETE', url, undefined, etag)).statusCode, 412)
  t.equal((await a.send('DELETE', url)).statusCode, 204)
  t.strictSame(a.dataplane.markRules, [])
  t.match((await a.send('GET', url)).json(), { code: 'MARK_RULE_NOT_FOUND' })
  t.match((await a.send('PATCH', url, {})).json(), { code: 'MARK_RULE_NOT_FOUND' })
  t.equal((await a.send('DELETE', url)).statusCode, 404)
  t.equal((await a.send('DELETE', `${url}?missingOk=true`)).statusCode, 204)
})

t.test('order decides, then the name', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const put = (name: string, change: object) =>
    a.send('PUT', `/v1/mark-rules/${name}`, { ...rule, ...change })
  await put('c', { mark: 3 })
  await put('a', { mark: 1, labels: { team: 'x' } })
  await put('z', { mark: 9, order: 1, addressFamily: 'ipv6', destination: '2001:db8::/32' })
  await put('b', { mark: 2, labels: { team: 'x' } })
  const marks = () => a.dataplane.markRules.map(({ mark }) => mark)
  t.strictSame(marks(), [9, 1, 2, 3])
  const names: string[] = []
  let next: string | undefined = '/v1/mark-rules?limit=3'
  while (next !== undefined) {
    const answer = await a.send('GET', next)
    const { items, nextCursor } = answer.json<List>()
    names.push(...items.map(({ name }) => name))
    next = /^<([^>]+)>/.exec(String(answer.headers.link))?.[1]
    t.equal(next === undefined, nextCursor === null)
  }
  t.strictSame(names, ['z', 'a', 'b', 'c'])
  const filtered = async (query: string) =>
    (await a.send('GET', `/v1/mark-rules?${query}`)).json<List>().items.map(({ name }) => name)
  t.strictSame(await filtered('mark=2'), ['b'])
  t.strictSame(await filtered('addressFamily=ipv6'), ['z'])
  t.strictSame(await filtered('labels=team=x'), ['a', 'b'])
  await a.send('PATCH', '/v1/mark-rules/a', { order: 200 })
  t.strictSame(marks(), [9, 2, 3, 1])
  await a.dataplane.comeUp()
  t.strictSame(marks(), [9, 2, 3, 1], 'a new worker has the same')
})

t.test('every spelling becomes one', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const put = async (change: object) => {
    const answer = await a.send('PUT', url, { ...rule, ...change })
    t.ok(answer.statusCode < 300, answer.body)
    return answer.json<Record<string, unknown>>()
  }
  t.match(await put({ protocol: '6' }), { protocol: 'tcp' })
  t.match(await put({ protocol: '017' }), { protocol: 'udp' })
  const portless = { destinationPorts: undefined }
  t.match(await put({ protocol: '47', ...portless }), { protocol: '47' })
  t.equal(a.dataplane.markRules[0]!.protocol, 47)
  t.match(await put({ protocol: 'icmp', ...portless }), { protocol: 'icmp' })
  t.equal(a.dataplane.markRules[0]!.protocol, 1)
  t.match(await put({ protocol: 'esp', ...portless }), { protocol: 'esp' })
  t.equal(a.dataplane.markRules[0]!.protocol, 50)
  t.match(await put({ protocol: undefined }), { protocol: 'any' })
  t.equal(a.dataplane.markRules[0]!.protocol, null)
  t.match(await put({ source: '192.0.2.1' }), { source: '192.0.2.1/32' })
  t.match(await put({ destination: '0.0.0.0/0' }), { destination: '0.0.0.0/0' })
  t.match(await put({ sourcePorts: ['80-80', '080', '1-65535'] }), {
    sourcePorts: ['80', '1-65535'],
  })
  const six = { addressFamily: 'ipv6', destination: '2001:DB8:0::/48' }
  t.match(await put({ ...six, protocol: '58', ...portless }), {
    protocol: 'icmp',
    destination: '2001:db8::/48',
  })
  t.equal(a.dataplane.markRules[0]!.protocol, 58)
  t.match(await put({ ...six, protocol: '1', ...portless }), { protocol: '1' })
})

t.test('every fault is found', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  for (const [change, ...faults] of [
    [{ mark: 0 }, '/mark OUT_OF_RANGE'],
    [{ mark: 4294967296 }, '/mark OUT_OF_RANGE'],
    [{ mark: '1' }, '/mark WRONG_TYPE'],
    [
      { mark: undefined, addressFamily: undefined },
      '/mark MISSING_FIELD',
      '/addressFamily MISSING_FIELD',
    ],
    [{ addressFamily: 'ipv5' }, '/addressFamily INVALID_VALUE'],
    [{ protocol: 'tpc' }, '/protocol INVALID_VALUE'],
    [{ protocol: '256' }, '/protocol INVALID_VALUE'],
    [{ protocol: 6 }, '/protocol WRONG_TYPE'],
    [{ protocol: 'icmp' }, '/destinationPorts CONFLICTING_FIELDS'],
    [{ source: '192.0.2.0/33' }, '/source INVALID_PREFIX'],
    [{ source: '192.0.2.1/24' }, '/source INVALID_PREFIX'],
    [{ source: '192.0.2.0/24/1' }, '/source INVALID_PREFIX'],
    [{ source: 'x' }, '/source INVALID_PREFIX'],
    [{ source: '2001:db8::/32' }, '/source FAMILY_MISMATCH'],
    [{ addressFamily: 'ipv6', destination: '2001:db8::1/64' }, '/destination INVALID_PREFIX'],
    [{ destinationPorts: [] }, '/destinationPorts INVALID_PORTS'],
    [{ destinationPorts: ['0'] }, '/destinationPorts INVALID_PORTS'],
    [{ destinationPorts: ['80', '90-80'] }, '/destinationPorts INVALID_PORTS'],
    [{ sourcePorts: ['65536'] }, '/sourcePorts INVALID_PORTS'],
    [{ sourcePorts: ['http'] }, '/sourcePorts INVALID_PORTS'],
    [{ sourcePorts: [80] }, '/sourcePorts/0 WRONG_TYPE'],
    [{ sourcePorts: Array<string>(65).fill('1') }, '/sourcePorts TOO_LONG'],
    [{ interface: 'eth9' }, '/interface INTERFACE_NOT_FOUND'],
    [{ interface: 'a b' }, '/interface INVALID_VALUE'],
    [{ order: -1 }, '/order OUT_OF_RANGE'],
    [{ name: 'other' }, '/name CONFLICTING_FIELDS'],
    [{ fwmark: 1 }, '/fwmark UNKNOWN_FIELD'],
  ] as const) {
    const answer = await a.send('PUT', url, { ...rule, ...(change as object) })
    t.equal(answer.statusCode, 422, answer.body)
    t.strictSame(
      answer.json<Refusal>().errors.map(({ pointer, code }) => `${pointer} ${code}`),
      faults,
    )
  }
  const meant = (await a.send('PUT', url, { ...rule, source: '192.0.2.77/26' })).json<Refusal>()
  t.equal(meant.errors[0]!.hint, "Did you mean '192.0.2.64/26'?")
  t.equal((await a.send('GET', '/v1/mark-rules')).json<List>().items.length, 0)
})

t.test('at most 256 of them', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  for (let i = 0; i < 256; i++) await a.send('PUT', `/v1/mark-rules/r${i}`, rule)
  t.match((await a.send('PUT', url, rule)).json(), { status: 409, code: 'LIMIT_REACHED' })
  t.equal((await a.send('PATCH', '/v1/mark-rules/r0', { mark: 2 })).statusCode, 200)
})

t.test('a rule about an interface that is gone says nothing, and does no harm', async t => {
  const file = `${t.testdir()}/sluice.db`
  const first = await startAppliance({ file })
  await first.send('PUT', url, { ...rule, interface: 'eth0' })
  const { body } = await first.send('GET', url)
  await first.close()
  const dataplane = new FakeDataplane()
  dataplane.ports.splice(0, 1, { ...dataplane.ports[0]!, name: 'eth7' })
  const a = await startAppliance({ file, dataplane })
  t.teardown(() => a.close())
  t.strictSame(dataplane.markRules, [])
  t.equal((await a.send('PUT', url, body)).body, body, 'GET | PUT still changes nothing')
  await a.send('PUT', '/v1/mark-rules/other', rule)
  t.equal(dataplane.markRules.length, 1)
  t.match((await a.send('PATCH', url, { interface: 'eth8' })).json(), {
    status: 422,
    code: 'INTERFACE_NOT_FOUND',
    detail: /eth7/,
  })
})

t.test('the host is told what packets a service by mark takes', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  await a.send('PUT', url, rule)
  t.equal(a.host.calls.filter(call => call === 'beforeApply').length, 1)
  const service = { fwmark: 1, addressFamily: 'ipv4', realServers: { a: { address: '10.0.0.1' } } }
  await a.send('PUT', '/v1/virtual-services/m', service)
  const held = () => [...a.host.held.values()]
  t.match(held(), [{ name: 'm', markRules: [{ mark: 1, protocol: 6 }] }])
  t.strictSame(a.host.guarded(), ['sctp 10.0.0.1 0', 'tcp 10.0.0.1 0', 'udp 10.0.0.1 0'])
  await a.send('PATCH', url, { protocol: 'udp' })
  t.match(held(), [{ name: 'm', markRules: [{ mark: 1, protocol: 17 }] }])
  t.equal(held().length, 1, 'what it was before is given back')
  await a.send('DELETE', url)
  t.match(held(), [{ name: 'm', markRules: [] }])
})

t.test('marked packets reach their service, the first match decides', async t => {
  const dataplane = new EngineDataplane()
  const a = await startAppliance({ dataplane })
  t.teardown(() => a.close())
  const put = async (path: string, body: object) => {
    const answer = await a.send('PUT', `/v1/${path}`, body)
    t.ok(answer.statusCode < 300, answer.body)
  }
  for (const mark of [1, 2])
    await put(`virtual-services/m${mark}`, {
      ...{ fwmark: mark, addressFamily: 'ipv4', scheduler: 'rr' },
      realServers: { a: { address: `10.0.0.1${mark}` } },
    })
  await put('mark-rules/some', { ...rule, order: 10, mark: 2, source: '192.0.2.128/25' })
  await put('mark-rules/all', rule)
  const syn = (src: string, dstPort: number) =>
    dataplane.receive({
      ...{ src, dst: '198.51.100.77' },
      tcp: { srcPort: 1000, dstPort, seq: 1, flags: 'S' },
    })
  /** Destination of what left. */
  const served = (src: string, dstPort: number) => {
    syn(src, dstPort)
    return dataplane.sent().map(packet => packet.subarray(16, 20).join('.'))
  }
  t.strictSame(served('192.0.2.1', 80), ['10.0.0.11'])
  t.strictSame(served('192.0.2.129', 8099), ['10.0.0.12'])
  t.strictSame(served('192.0.2.129', 8100), [], 'no mark, and no address of ours')
  await a.send('DELETE', '/v1/mark-rules/some')
  t.strictSame(served('192.0.2.130', 80), ['10.0.0.11'])
})
