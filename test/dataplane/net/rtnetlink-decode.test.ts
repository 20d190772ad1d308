// Malformed netlink messages: nothing throws, nothing is read outside the message.
import t from 'tap'
import * as decode from '../../../dataplane/net/rtnetlink-decode.js'
import * as netlink from '../../../dataplane/net/netlink-message.js'
import { Random } from '../../fixtures/seed.js'

const attribute = (type: number, ...value: number[]) => ({ type, value: Uint8Array.from(value) })
// 10.1.0.0/16 via 10.0.0.2 dev 3 metric 7 mtu 1400, table main, unicast; little-endian machine.
const ROUTE = netlink.build(
  { type: 24, flags: 0, sequence: 1 },
  Uint8Array.of(2, 16, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0),
  [
    attribute(1, 10, 1, 0, 0),
    attribute(5, 10, 0, 0, 2),
    attribute(4, 3, 0, 0, 0),
    attribute(6, 7, 0, 0, 0),
    attribute(8, 8, 0, 2, 0, 0x78, 5, 0, 0),
    attribute(9, 16, 0, 0, 1, 4, 0, 0, 0, 8, 0, 5, 0, 10, 0, 0, 9),
  ],
)

t.test('a route message is read', async t => {
  const v = new DataView(ROUTE.buffer)
  t.ok(netlink.isValid(v, 0, ROUTE.length))
  t.match(decode.route(v, netlink.HEADER, ROUTE.length), {
    table: 254,
    w0: 0x0a010000,
    length: 16,
    type: 1,
    metric: 7,
    mtuOctets: 1400,
    hops: [{ ifIndex: 4, weight: 2, via: { family: 4, w0: 0x0a000009 } }],
  })
})

t.test('every truncation and any noise is survived', async t => {
  const random = Random.of(t)
  const decoders = [decode.route, decode.link, decode.address, decode.neighbour]
  for (let end = 0; end <= ROUTE.length; end++) {
    // A view that ends where the message is cut: reading behind it would throw.
    const v = new DataView(ROUTE.slice(0, end).buffer)
    netlink.isValid(v, 0, end)
    for (const each of decoders) each(v, Math.min(netlink.HEADER, end), end)
  }
  for (let i = 0; i < 20000; i++) {
    const octets = random.integer(0, 120)
    const bytes = random.boolean() ? random.bytes(octets) : ROUTE.slice(0, octets)
    for (let n = random.integer(0, 6); n > 0 && bytes.length > 0; n--)
      bytes[random.integer(0, bytes.length - 1)] = random.pick([0, 1, 2, 4, 10, 16, 255])
    const v = new DataView(bytes.buffer)
    const end = bytes.length
    for (let at = 0; netlink.isValid(v, at, end); at = netlink.next(v, at));
    for (const each of decoders) each(v, Math.min(netlink.HEADER, end), end)
  }
  t.pass('no exception')
})
