// Two workers do with every packet what one does, whichever of them receives it: NAT, direct
// routing and tunnels, FTP, SIP, persistence, one-packet scheduling, SCTP, ICMP about all of them,
// fragments, hostile packets. Where the choice of the server does not depend on the order of others.
import t from 'tap'
import { Counter } from '../../../dataplane/counters.js'
import { addressKey, shardOf } from '../../../dataplane/shared/shard.js'
import { seeded, type Random } from '../../fixtures/random.js'
import { toHex } from '../../fixtures/packets.js'
import { packet, servingCommands } from '../../fuzz/packets.js'
import { crewBench } from './crew-bench.js'

const PACKETS = 3000
const STEP_MS = [10, 500, 3000, 40_000]

/** Identifications of packets that a worker makes itself are counted by each. */
function masked(text: string): string {
  const [where = '', hex = ''] = text.split(' ')
  const ip = Buffer.from(hex, 'hex')
  if (ip[0]! >>> 4 === 4) {
    ip.fill(0, 4, 6)
    ip.fill(0, 10, 12)
  } else if (ip[6] === 44) ip.fill(0, 44, 48)
  return `${where} ${ip.toString('hex')}`
}
const comparable = (sent: readonly string[]) => sent.map(masked).sort()

/**
 * What a server sends, the kernel gives to its client's worker (test/dataplane/driver/share-filter
 * .test.ts); what a client sends may come in anywhere.
 */
function receiver(random: Random, wire: string, octets: Uint8Array): number {
  if (wire === 'client') return random(2)
  const ip = Buffer.from(octets)
  const isIpv4 = (ip[0] ?? 0) >>> 4 === 4
  if (ip.length < (isIpv4 ? 20 : 40)) return 0
  const word = (i: number) => ip.readInt32BE(24 + 4 * i)
  const key = isIpv4
    ? addressKey(4, ip.readInt32BE(16), 0, 0, 0)
    : addressKey(6, word(0), word(1), word(2), word(3))
  return shardOf(key, 2)
}

t.test('two workers are as one', async t => {
  const random = seeded(t)
  // By source: the same server for a client whatever else happened.
  const commands = servingCommands(random, ['sh'])
  const one = await crewBench(1, commands)
  const two = await crewBench(2, commands)
  let sent = 0
  for (let i = 0; i < PACKETS; i++) {
    if (random(20) === 0) {
      const ms = STEP_MS[random(STEP_MS.length)]!
      t.strictSame(comparable(two.pass(ms)), comparable(one.pass(ms)), `time, before ${i}`)
    }
    const wire = random(3) < 2 ? 'client' : 'server'
    const ip = packet(random, wire)
    const port = wire === 'client' ? 0 : 1
    const wanted = comparable(one.inject(0, port, ip))
    const seen = comparable(two.inject(receiver(random, wire, ip), port, ip))
    sent += wanted.length
    if (seen.join() === wanted.join()) continue
    t.strictSame(seen, wanted, `packet ${i} ${wire} ${toHex(ip)}`)
    return
  }
  const handed = two.workers.map(({ counters }) => counters[Counter.handedOver]!)
  t.ok(sent > PACKETS / 10, `${sent} sent`)
  t.ok(
    handed.every(count => count > 0),
    `handed over: ${handed.join(' ')}`,
  )
  const conns = (bench: typeof one) =>
    bench.workers.reduce((sum, { ipvs }) => sum + ipvs.conns.records.size, 0)
  t.equal(conns(two), conns(one), `${conns(one)} connections`)
})
