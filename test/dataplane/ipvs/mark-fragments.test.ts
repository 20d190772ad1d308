// A datagram in fragments that only a mark rule makes ours: its ports stand in the first one alone.
import t from 'tap'
import type { MarkRule } from '../../../dataplane/ipvs/mark-rules.js'
import * as address from '../../../dataplane/wire/address.js'
import { buildBytes, onesComplement, toHex } from '../../fixtures/packets.js'
import { commandBench } from './command-bench.js'

const UDP = 17
const FRAGMENT = 44
const MARK = 7
/** In units of eight octets: where the second fragment begins. */
const CUT = 2
const CAST = {
  4: { client: '192.0.2.9', far: '203.0.113.7', network: '203.0.113.0/24', option: '' },
  6: { client: '2001:db8:c::9', far: '2001:db8:7::7', network: '2001:db8:7::/64', option: ' -6' },
} as const
const SERVERS = { 4: '192.168.10.11:0', 6: '[2001:db8:10::11]:0' } as const

/** UDP with its header; the checksum of zero is none in IPv4 and of no interest to routers. */
function payload(dstPort: number): Uint8Array {
  const b = Buffer.alloc(CUT * 16)
  b.writeUInt16BE(4000, 0)
  b.writeUInt16BE(dstPort, 2)
  b.writeUInt16BE(b.length, 4)
  b.writeUInt16BE(0x1234, 6)
  return b
}

function fragments(family: 4 | 6, dstPort: number, ttl = 64): Uint8Array[] {
  const { client: src, far: dst } = CAST[family]
  const whole = payload(dstPort)
  const pieces = [whole.subarray(0, CUT * 8), whole.subarray(CUT * 8)]
  return pieces.map((bytes, i) => {
    const offset = i * CUT * 8
    const more = i === 0 ? 1 : 0
    const raw = { protocol: UDP, bytes }
    if (family === 6) {
      const header = [0, 0, offset >>> 8, offset | more, 0, 0, 0, 9]
      return buildBytes({ src, dst, ttl, extensions: [{ protocol: FRAGMENT, bytes: header }], raw })
    }
    const b = Buffer.from(buildBytes({ src, dst, ttl, id: 9, df: false, raw }))
    b.writeUInt16BE((more << 13) | (offset >>> 3), 6)
    b.writeUInt16BE(0, 10)
    b.writeUInt16BE(onesComplement(b.subarray(0, 20)), 10)
    return b
  })
}

async function bench(family: 4 | 6) {
  const { option, network } = CAST[family]
  const made = await commandBench(
    `-A -f ${MARK}${option} -s rr`,
    `-a -f ${MARK}${option} -r ${SERVERS[family]} -g`,
  )
  const rule: MarkRule = {
    ...{ mark: MARK, family, protocol: UDP, source: null, sourcePorts: null, port: null },
    destination: address.parsePrefix(network),
    destinationPorts: [{ first: 53, last: 53 }],
  }
  made.ipvs.marks.set([rule])
  return made
}

/** IPv6 fragment headers that we make carry an identification of our own. */
const comparable = (family: 4 | 6, packets: readonly (string | Uint8Array)[]) =>
  packets.map(packet => {
    const b = typeof packet === 'string' ? Buffer.from(packet, 'hex') : Buffer.from(packet)
    b.fill(0, family === 4 ? 4 : 44, family === 4 ? 6 : 48)
    if (family === 4) b.fill(0, 10, 12)
    return toHex(b)
  })

for (const family of [4, 6] as const) {
  for (const order of ['as sent', 'the later one first']) {
    t.test(`IPv${family}: fragments, ${order}, reach the service's server`, async t => {
      const { wire } = await bench(family)
      const [first, later] = fragments(family, 53)
      const [a, b] = order === 'as sent' ? [first!, later!] : [later!, first!]
      t.strictSame(wire(0, a), [], 'one alone waits')
      t.strictSame(
        comparable(family, wire(0, b)),
        comparable(family, fragments(family, 53, 63)),
        'both, one hop further',
      )
    })
  }

  t.test(`IPv${family}: those of other ports stay the host's`, async t => {
    const { wire } = await bench(family)
    for (const fragment of fragments(family, 54)) t.strictSame(wire(0, fragment), [])
  })
}
