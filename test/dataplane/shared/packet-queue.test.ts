import fc from 'fast-check'
import t from 'tap'
import { allocateQueue, PacketQueue } from '../../../dataplane/shared/packet-queue.js'

const SEED = Number(process.env.SEED ?? Date.now() & 0x7fffffff)
const OCTETS = 1 << 17
const LARGEST = 66_008

/** Two ends on the same memory, as two threads have them. */
function ends() {
  const memory = allocateQueue(OCTETS)
  return { producer: new PacketQueue(memory), consumer: new PacketQueue(memory) }
}

t.test('sizes that cannot work are refused', async t => {
  for (const octets of [0, 1 << 16, OCTETS + 4, 2 ** 31])
    t.throws(() => allocateQueue(octets), RangeError, `${octets}`)
})

t.test(`any sequence behaves as a plain list does (SEED=${SEED})`, async () => {
  const step = fc.oneof(
    fc.record({ push: fc.integer({ min: 1, max: LARGEST - 8 }), value: fc.integer({ max: 255 }) }),
    fc.record({ shifts: fc.integer({ min: 1, max: 5 }) }),
  )
  const property = fc.property(fc.array(step, { minLength: 20, maxLength: 300 }), steps => {
    const { producer, consumer } = ends()
    const model: Uint8Array[] = []
    const buffer = new Uint8Array(70_000)
    let dropped = 0
    for (const each of steps) {
      if ('push' in each) {
        const packet = new Uint8Array(each.push + 8).fill(each.value & 255)
        packet[4] = each.push & 255
        if (producer.push(packet, 4, packet.length - 4)) model.push(packet.slice(4, -4))
        else {
          dropped++
          // Full means full: room is lost at the end of the ring by this packet and one before it.
          const held = model.reduce((sum, { length }) => sum + length + 8, 0)
          if (held + LARGEST + 2 * (each.push + 8) < OCTETS) throw new Error('dropped without need')
        }
        continue
      }
      for (let i = 0; i < each.shifts; i++) {
        const wanted = model.shift()
        const octets = consumer.shift(buffer, 3)
        if (octets !== (wanted?.length ?? 0)) throw new Error(`${octets} octets`)
        if (wanted && Buffer.compare(buffer.subarray(3, 3 + octets), wanted) !== 0)
          throw new Error('other octets')
      }
    }
    return consumer.isEmpty === (model.length === 0) && consumer.dropped === dropped
  })
  fc.assert(property, { seed: SEED, numRuns: 200 })
})

t.test('counters wrap at 2^32 and the queue goes on', async t => {
  const memory = allocateQueue(OCTETS)
  const near = -(OCTETS * 2) | 0
  new Int32Array(memory).fill(near, 0, 2)
  const queue = new PacketQueue(memory)
  const packet = new Uint8Array(30_001).fill(7)
  const buffer = new Uint8Array(30_001)
  for (let i = 0; i < 40; i++) {
    t.ok(queue.push(packet, 0, packet.length), `push ${i}`)
    t.equal(queue.shift(buffer, 0), packet.length)
  }
  t.ok(new Int32Array(memory)[0]! > 0, 'HEAD has passed 2^32')
})

t.test('a packet larger than the room given is dropped, not cut', async t => {
  const { producer, consumer } = ends()
  producer.push(new Uint8Array(100), 0, 100)
  producer.push(Uint8Array.of(1, 2, 3), 0, 3)
  const small = new Uint8Array(50)
  t.equal(consumer.shift(small, 0), -1)
  t.equal(consumer.shift(small, 0), 3)
  t.equal(consumer.shift(small, 0), 0)
})

t.test('an idle consumer is told once, and never sleeps on a packet', async t => {
  const { producer, consumer } = ends()
  t.equal(producer.takeIdle(), false, 'nobody waits yet')
  t.equal(consumer.goIdle(), true)
  producer.push(Uint8Array.of(1), 0, 1)
  t.equal(producer.takeIdle(), true)
  t.equal(producer.takeIdle(), false)
  t.equal(consumer.goIdle(), false, 'a packet is there: look again')
})

t.test('a consumer with an event loop is woken by a signal, also by an early one', async t => {
  const { producer, consumer } = ends()
  const later = consumer.signalled()
  producer.signal()
  await later
  const early = consumer.signalled()
  producer.signal()
  producer.signal()
  await early
  t.pass('woken')
})
