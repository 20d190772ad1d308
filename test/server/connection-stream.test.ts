// A million connections as NDJSON: all of them, no memory to speak of, nobody kept waiting.
import { spawn } from 'node:child_process'
import { get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import type { ConnectionRecord, ConnectionSource } from '../../server/connections.js'
import { startAppliance } from './fixtures/appliance.js'

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
  const a = await startAppliance({ connections: new Many(MILLION) })
  t.teardown(() => a.close())
  const url = await a.app.listen({ host: '127.0.0.1', port: 0 })
  // The reader has a process of its own, so that only the writer's memory is looked at.
  const command = `curl -sN -H 'accept: application/x-ndjson' ${url}/v1/connections | wc -l`
  const before = process.memoryUsage().rss
  const reader = spawn('bash', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'] })
  let count = ''
  reader.stdout.on('data', (text: Buffer) => (count += text.toString()))
  const closed = once(reader, 'close')
  let growth = 0
  let served = 0
  const others = setInterval(() => {
    growth = Math.max(growth, process.memoryUsage().rss - before)
    void a.send('GET', '/healthz').then(() => served++)
  }, 20)
  await closed
  clearInterval(others)
  t.equal(Number(count), MILLION)
  t.ok(served > 20, `${served} other requests in between`)
  t.comment(`grew by ${Math.round(growth / 2 ** 20)} MiB`)
  t.ok(growth < GROWTH_MAX_OCTETS, `${growth} octets`)
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
