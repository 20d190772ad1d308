// A million connections as NDJSON: all of them, no memory to speak of, nobody kept waiting.
import { spawnSync } from 'node:child_process'
import { get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import type { ConnectionRecord, ConnectionSource } from '../../../server/live/connections.js'
import { program } from '../../lab/root.js'
import type { Seen } from '../../lab/programs/million-connections.js'
import { startAppliance } from '../fixtures/appliance.js'

const MILLION = 1_000_000
const GROWTH_MAX_OCTETS = 100 * 2 ** 20

/** As many as wanted; counts how many were asked for. */
class Many implements ConnectionSource {
  read = 0
  readonly #count: number
  constructor(count: number) {
    this.#count = count
  }
  scan(cursor: number, limit: number) {
    const end = Math.min(this.#count, cursor + limit)
    const items: ConnectionRecord[] = []
    for (let i = cursor; i < end; i++) items.push(connection(i))
    this.read += items.length
    return { items, nextCursor: end === this.#count ? null : end }
  }
  countOver() {
    return new Map<number, number>()
  }
}

const connection = (i: number): ConnectionRecord => ({
  ...{ protocol: 'tcp', family: 'ipv4', state: 'ESTABLISHED', expiresInSeconds: 899 },
  client: { address: `192.0.2.${i & 255}`, port: 1024 + (i >>> 8) },
  virtual: { address: '198.51.100.10', port: 80 },
  realServer: { address: '10.0.0.1', port: 8080 },
  ...{ destRow: 0, forwarding: 'masq', flags: 0, template: false, fwmark: 0, inPkts: 1 },
})

async function ask(source: ConnectionSource) {
  const a = await startAppliance({ connections: source })
  await a.app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(async () => {
    a.app.server.closeAllConnections()
    await a.close()
  })
  const { port } = a.app.server.address() as AddressInfo
  const headers = { accept: 'application/x-ndjson' }
  const sent = get({ host: '127.0.0.1', port, path: '/v1/connections', headers })
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return { a, response }
}

t.test('a million', async t => {
  const { stdout, stderr } = spawnSync(process.execPath, [program('million-connections')], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', NODE_V8_COVERAGE: '' },
  })
  t.equal(stderr, '')
  const { lines, growthOctets, served } = JSON.parse(stdout) as Seen
  t.equal(lines, MILLION)
  t.ok(served > 2, `${served} other requests in between`)
  t.ok(growthOctets < GROWTH_MAX_OCTETS, `grew by ${Math.round(growthOctets / 2 ** 20)} MiB`)
})

t.test('whoever does not read is not written to', async t => {
  const source = new Many(MILLION)
  const { a, response } = await ask(source)
  response.pause()
  // What fits into the buffers of both sockets, and no more: then reading stands still.
  let read = -1
  for (let still = 0; still < 50; still = source.read === read ? still + 1 : 0) {
    read = source.read
    await a.send('GET', '/healthz')
  }
  t.ok(read > 0 && read < MILLION / 4, `${read} read ahead`)
  response.destroy()
})
