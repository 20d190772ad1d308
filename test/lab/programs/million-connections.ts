/**
 * Serves a million connections as NDJSON to curl, in a process of its own: tap follows every
 * promise, which costs ten times what is to be measured. Prints what it saw as JSON.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { ConnectionRecord, ConnectionSource } from '../../../server/live/connections.js'
import { startAppliance } from '../../server/fixtures/appliance.js'

export interface Seen {
  lines: number
  growthOctets: number
  /** Requests of others that were answered meanwhile. */
  served: number
}

const MILLION = 1_000_000

const connections: ConnectionSource = {
  scan(cursor, limit) {
    const end = Math.min(MILLION, cursor + limit)
    const items = Array.from({ length: end - cursor }, (_, i) => connection(cursor + i))
    return { items, nextCursor: end === MILLION ? null : end }
  },
  countOver: () => new Map(),
}

// One literal, without spreads: what is made here must not cost more than what is measured.
const connection = (i: number): ConnectionRecord => ({
  protocol: 'tcp',
  family: 'ipv4',
  client: { address: `192.0.2.${i & 255}`, port: 1024 + (i >>> 8) },
  virtual: { address: '198.51.100.10', port: 80 },
  realServer: { address: '10.0.0.1', port: 8080 },
  state: 'ESTABLISHED',
  expiresInSeconds: 899,
  destRow: 0,
  forwarding: 'masq',
  flags: 0,
  template: false,
  fwmark: 0,
  inPkts: 1,
})

const a = await startAppliance({ connections })
const url = await a.app.listen({ host: '127.0.0.1', port: 0 })
const command = `curl -sN -H 'accept: application/x-ndjson' ${url}/v1/connections | wc -l`
const seen: Seen = { lines: 0, growthOctets: 0, served: 0 }
const before = process.memoryUsage().rss
const looks = setInterval(() => {
  seen.growthOctets = Math.max(seen.growthOctets, process.memoryUsage().rss - before)
}, 20)
const others = setInterval(() => void a.send('GET', '/healthz').then(() => seen.served++), 200)
const reader = spawn('bash', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'] })
reader.stdout.on('data', (text: Buffer) => (seen.lines = Number(text.toString())))
await once(reader, 'close')
clearInterval(others)
clearInterval(looks)
await a.close()
process.stdout.write(JSON.stringify(seen))
