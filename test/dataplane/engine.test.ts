import t from 'tap'
import { ManualClock } from '../../dataplane/clock.js'
import { COUNTER_NAMES, Counter } from '../../dataplane/counters.js'
import { LoopbackDriver } from '../../dataplane/driver/loopback.js'
import { Engine, type Pipeline } from '../../dataplane/engine.js'
import type { Packet } from '../../dataplane/packet.js'

const port = { name: 'eth0', ifIndex: 2, mac: Uint8Array.of(2, 0, 0, 0, 0, 1), mtuOctets: 1500 }

function setup(handle: (pkt: Packet) => void) {
  const counters = new Float64Array(COUNTER_NAMES.length)
  const driver = new LoopbackDriver([port], counters)
  const clock = new ManualClock(1000)
  const ticks: number[] = []
  const faults: unknown[] = []
  const ofHost: string[] = []
  const hostSent = (pkt: Packet, diverted: boolean) =>
    void ofHost.push(`${diverted ? 'diverted' : 'seen'} ${pkt.view.getUint8(pkt.l3)}`)
  const pipeline: Pipeline = { handle, hostSent, tick: nowMs => ticks.push(nowMs) }
  const onFault = (error: unknown) => faults.push(error)
  const engine = new Engine({ driver, pipeline, clock, counters, onFault })
  return { engine, driver, clock, counters, ticks, faults, ofHost }
}

t.test('a turn handles every packet once and runs timers with the clock’s time', async t => {
  const seen: number[] = []
  const { engine, driver, clock, counters, ticks } = setup(pkt => {
    seen.push(pkt.view.getUint8(pkt.l3))
  })
  for (const mark of [1, 2, 3]) driver.inject(0, new Uint8Array(20).fill(mark))
  t.equal(engine.breathe(), 3)
  clock.advance(10)
  t.equal(engine.breathe(), 0)
  t.strictSame(seen, [1, 2, 3])
  t.strictSame(ticks, [1000, 1010])
  t.equal(counters[Counter.received], 3)
})

t.test('a bug met by one packet costs that packet alone', async t => {
  let handled = 0
  const { engine, driver, counters, faults } = setup(pkt => {
    handled++
    if (pkt.view.getUint8(pkt.l3) === 2) pkt.view.getUint8(1e9)
  })
  for (const mark of [1, 2, 3]) driver.inject(0, new Uint8Array(20).fill(mark))
  engine.breathe()
  t.equal(handled, 3)
  t.equal(counters[Counter.internalError], 1)
  t.match(faults, [RangeError])
})

t.test("this host's own packets are handled apart, and are no packets received", async t => {
  const { engine, driver, counters, ofHost } = setup(() => t.fail('none came in'))
  driver.injectOfHost(Uint8Array.of(7), true)
  driver.injectOfHost(Uint8Array.of(8), false)
  t.equal(engine.breathe(), 2)
  t.strictSame(ofHost, ['diverted 7', 'seen 8'])
  t.equal(counters[Counter.received], 0)
})
