// The strictness that other tests rely on.
import t from 'tap'
import { LoopbackDriver, POISON } from '../../../dataplane/driver/loopback.js'
import type { Packet } from '../../../dataplane/packet.js'

const mac = Uint8Array.of(2, 0, 0, 0, 0, 1)
const make = () => new LoopbackDriver([{ name: 'p0', ifIndex: 2, mac, mtuOctets: 1500 }])
const frame = Uint8Array.from({ length: 60 }, (_, i) => i)

t.test('a frame goes in and out, and is stale afterwards', async t => {
  const driver = make()
  t.match(driver.ports[0], { macHigh: 0x0200, macLow: 1 })
  const vnet = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
  driver.inject(0, frame, { vnet, toHost: false })
  const burst: Packet[] = []
  t.equal(driver.receive(burst, 9), 1)
  const pkt = burst[0]!
  t.strictSame([pkt.port, pkt.toHost, pkt.l3 - pkt.l2, pkt.end - pkt.l2], [0, false, 14, 60])
  t.equal(pkt.bytes[pkt.end], POISON, 'behind the frame nothing is to be read')
  driver.send(0, pkt)
  t.throws(() => driver.send(0, pkt), /sent twice/)
  t.throws(() => driver.sendIp(pkt), /sent twice/)
  driver.flush()
  t.strictSame(driver.sent, [{ port: 0, frame, vnet }])
  t.equal(pkt.bytes[pkt.l3], POISON, 'poisoned')
  t.throws(() => driver.send(0, pkt), /not of this turn/)
})

t.test('packets of our own have a zeroed offload header and run out', async t => {
  const driver = make()
  const pkt = driver.take(34)!
  t.strictSame([...pkt.bytes.subarray(pkt.l2 - 10, pkt.l2)], new Array(10).fill(0))
  t.equal(pkt.port, -1)
  t.equal(pkt.bytes[pkt.l3], POISON)
  pkt.bytes.fill(7, pkt.l3, pkt.end)
  driver.sendIp(pkt)
  t.strictSame(driver.sentIp, [new Uint8Array(20).fill(7)])
  while (driver.take(60) !== null);
  driver.flush()
  t.ok(driver.take(60))
})
