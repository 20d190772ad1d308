// A short run of `npm run fuzz -- packets`.
import t from 'tap'
import { seed } from '../server/fixtures/seed.js'
import { fuzzPackets } from './packets.js'

const PACKETS = 4000

t.test('hostile packets: nothing throws, what leaves is whole', async t => {
  const report = await fuzzPackets(seed(t), packets => packets >= PACKETS)
  t.ok(report.sent > PACKETS / 10, `${report.sent} of ${report.packets} drew something`)
  t.ok(report.connections > 0, `${report.connections} connections`)
})
