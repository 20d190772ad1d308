import t from 'tap'
import * as extension from '../../../dataplane/wire/ipv6-extension.js'
import { buildBytes, fromHex, type PacketRecord } from '../../fixtures/packets.js'
import { SCAPY } from '../../fixtures/scapy-packets.js'

const viewOf = (hex: string) => new DataView(fromHex(hex).buffer)
const SRC = '2001:db8::9'
const DST = '2001:db8::80'
const upper = new extension.UpperLayer()
const eight = [0, 0, 1, 4, 0, 0, 0, 0]

function chain(extensions: PacketRecord['extensions'] & object): DataView {
  const bytes = buildBytes({ src: SRC, dst: DST, extensions, udp: { srcPort: 1, dstPort: 2 } })
  return new DataView(bytes.buffer)
}

t.test('steps over hop-by-hop, routing and destination options (scapy)', async t => {
  const v = viewOf(SCAPY.UDP6_EXTENSIONS)
  t.ok(extension.walk(v, 6, 40, v.byteLength, upper))
  t.equal(upper.protocol, 17)
  t.equal(upper.at, v.byteLength - 10)
  t.equal(upper.fragmentAt, 0)
  t.equal(upper.routedAt, 0)
})

t.test('a chain cut anywhere is refused', async t => {
  const v = viewOf(SCAPY.UDP6_EXTENSIONS)
  const whole = v.byteLength - 10
  for (let end = 40; end < whole; end++) t.notOk(extension.walk(v, 6, 40, end, upper), `${end}`)
  t.ok(extension.walk(v, 6, 40, whole, upper))
})

t.test('a later fragment ends the walk', async t => {
  const v = viewOf(SCAPY.FRAGMENT6)
  t.ok(extension.walk(v, 6, 40, v.byteLength, upper))
  t.equal(upper.protocol, 17)
  t.equal(upper.at, 48)
  t.equal(upper.fragmentAt, 40)
  t.equal(upper.fragmentNamedAt, 6)
  t.equal(upper.fragmentOffset, 1480)
  t.ok(upper.moreFragments)
})

t.test('a first fragment is walked on behind its header', async t => {
  const v = chain([
    { protocol: 44, bytes: [0, 0, 0, 1, 0, 0, 0, 7] },
    { protocol: 60, bytes: eight },
  ])
  t.ok(extension.walk(v, 6, 40, v.byteLength, upper))
  t.equal(upper.protocol, 17)
  t.equal(upper.at, 56)
  t.equal(upper.fragmentOffset, 0)
  t.ok(upper.moreFragments)
})

t.test('AH is stepped over in words of four octets, as in ipv6_find_hdr', async t => {
  const v = chain([{ protocol: 51, bytes: [0, 4, ...new Array<number>(22).fill(0)] }])
  t.ok(extension.walk(v, 6, 40, v.byteLength, upper))
  t.equal(upper.protocol, 17)
  t.equal(upper.at, 64)
})

t.test('a routing header with segments left is told, whatever its type (RFC 8200 4.4)', async t => {
  const routing = (type: number, left: number) => [
    0,
    2,
    type,
    left,
    ...new Array<number>(20).fill(0),
  ]
  for (const [type, left, routed] of [
    [0, 1, 40],
    [0, 0, 0],
    [2, 1, 40],
  ] as const) {
    const v = chain([{ protocol: 43, bytes: routing(type, left) }])
    t.ok(extension.walk(v, 6, 40, v.byteLength, upper))
    t.equal(upper.routedAt, routed, `type ${type}, ${left} left`)
  }
})

t.test('a fragment of a fragment is none', async t => {
  const fragment = { protocol: 44, bytes: [0, 0, 0, 1, 0, 0, 0, 9] }
  t.ok(extension.walk(chain([fragment]), 6, 40, 200, upper))
  t.notOk(extension.walk(chain([fragment, fragment]), 6, 40, 200, upper))
})

t.test('the chain is bounded', async t => {
  const many = (count: number) => new Array(count).fill({ protocol: 60, bytes: eight }) as []
  t.ok(extension.walk(chain(many(12)), 6, 40, 200, upper))
  t.notOk(extension.walk(chain(many(13)), 6, 40, 200, upper))
})

t.test('what fragments repeat ends behind hop-by-hop and routing', async t => {
  const v = viewOf(SCAPY.UDP6_EXTENSIONS)
  // Hop-by-hop 8 octets, routing 24; the destination options behind it travel with the data.
  t.equal(extension.perFragmentEnd(v, 0, v.byteLength, upper), 72)
  t.equal(v.getUint8(upper.fragmentNamedAt), 60)
  const plain = viewOf(SCAPY.UDP6)
  t.equal(extension.perFragmentEnd(plain, 0, plain.byteLength, upper), 40)
  t.equal(upper.fragmentNamedAt, 6)
  t.equal(extension.perFragmentEnd(v, 0, 50, upper), 0, 'cut short')
})
