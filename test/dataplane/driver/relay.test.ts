// Packets handed from worker to worker: whatever is given arrives once, whole and in order.
import t from 'tap'
import { Counter, COUNTER_NAMES } from '../../../dataplane/counters.js'
import { LoopbackDriver } from '../../../dataplane/driver/loopback.js'
import { Relay } from '../../../dataplane/driver/relay.js'
import type { Packet } from '../../../dataplane/packet.js'
import { allocate, ASLEEP, MESSAGES, WAKE } from '../../../dataplane/shared/memory.js'
import { allocateQueue } from '../../../dataplane/shared/packet-queue.js'
import { Random } from '../../fixtures/seed.js'

const WORKERS = 3
const PORT = { name: 'eth0', ifIndex: 2, mac: new Uint8Array(6), mtuOctets: 1500 }

function crew() {
  const memories = Array.from({ length: WORKERS }, () => allocate(1024))
  const queues = memories.map((_, from) =>
    memories.map((_, to) => (from === to ? null : allocateQueue(1 << 17))),
  )
  const woken: number[] = []
  const workers = memories.map((memory, index) => {
    const counters = new Float64Array(COUNTER_NAMES.length)
    const inner = new LoopbackDriver([PORT, { ...PORT, name: 'eth1' }], counters)
    const relay = new Relay({
      ...{ inner, counters, crew: { index, memories, queues } },
      wake: descriptor => void woken.push(descriptor),
    })
    return { counters, inner, relay, control: new Int32Array(memory.control) }
  })
  return { workers, woken }
}

const octetsOf = (pkt: Packet) => Buffer.from(pkt.bytes.subarray(pkt.l2 - 10, pkt.end))

t.test('any traffic: each packet once, in order, or counted', async t => {
  const random = Random.of(t)
  const { workers } = crew()
  const sent = workers.map(() => workers.map((): Buffer[] => []))
  const got = workers.map(() => workers.map((): Buffer[] => []))
  const burst: Packet[] = []
  let given = 0
  const turn = (index: number, injected: number) => {
    const { relay, inner } = workers[index]!
    for (let i = 0; i < injected; i++) {
      const frame = random.bytes(random.integer(64, random.boolean() ? 1514 : 40_000))
      frame[0] = index
      inner.inject(random.integer(0, 1), frame, { vnet: random.bytes(10) })
    }
    const n = relay.receive(burst, 256)
    for (const pkt of burst.slice(0, n)) {
      const from = pkt.bytes[pkt.l2]!
      if (pkt.stage !== 0) {
        got[from]![index]!.push(octetsOf(pkt))
        if (pkt.stage !== 2) t.fail('another stage')
        if (pkt.port !== (pkt.end & 1)) t.fail('another port')
        continue
      }
      pkt.port = pkt.end & 1
      const to = (index + random.integer(1, WORKERS - 1)) % WORKERS
      const { counters } = workers[index]!
      const before = counters[Counter.handedOver]!
      given++
      relay.give(pkt, to, 2)
      if (counters[Counter.handedOver]! > before) sent[index]![to]!.push(octetsOf(pkt))
    }
    relay.flush()
  }
  for (let i = 0; i < 600; i++) turn(random.integer(0, WORKERS - 1), random.integer(0, 4))
  for (let i = 0; i < 300; i++) turn(i % WORKERS, 0)
  for (const [from, rows] of sent.entries())
    for (const [to, packets] of rows.entries()) {
      t.equal(got[from]![to]!.length, packets.length, `${from} to ${to}`)
      t.ok(
        packets.every((packet, i) => packet.equals(got[from]![to]![i]!)),
        'whole and in order',
      )
    }
  const total = (counter: number) => workers.reduce((sum, w) => sum + w.counters[counter]!, 0)
  t.equal(total(Counter.handedOver) + total(Counter.handoverFull), given)
  t.ok(total(Counter.handedOver) > 100)
})

t.test(
  'a full queue is a counted drop, a sleeping worker is woken, fragments are told of',
  async t => {
    const { workers, woken } = crew()
    const [first, second] = workers
    second!.control[WAKE] = 77
    const burst: Packet[] = []
    for (let i = 0; i < 5; i++) first!.inner.inject(0, new Uint8Array(40_000))
    first!.relay.receive(burst, 256)
    for (const pkt of burst) {
      pkt.pieces = { sizes: [1480, 1480, 600], largestOctets: 1500, dontFragment: true }
      first!.relay.give(pkt, 1, 1)
    }
    t.equal(first!.counters[Counter.handoverFull], 2, 'three of 40 kB fit into 128 KiB')
    const messages = second!.control[MESSAGES]!
    first!.relay.flush()
    t.equal(second!.control[MESSAGES], messages + 1, 'an awake worker looks by itself')
    t.strictSame(woken, [])
    const taken: Packet[] = []
    t.equal(second!.relay.receive(taken, 256), 3)
    t.strictSame(taken[0]!.pieces, {
      ...{ sizes: [1480, 1480, 600], largestOctets: 1500, dontFragment: true },
    })
    second!.relay.flush()
    second!.control[ASLEEP] = 1
    first!.inner.inject(0, new Uint8Array(100))
    first!.relay.receive(burst, 256)
    first!.relay.give(burst[0]!, 1, 1)
    first!.relay.flush()
    t.strictSame(woken, [77])
  },
)
