// What the host's stack makes of packets that IPVS leaves to it (semantics 0.5), here where the
// packet guard hides them from the host. The golden host answers those to ports nobody guards; both
// must be the same.
import t from 'tap'
import { buildBytes, toHex, type PacketRecord } from '../../fixtures/packets.js'
import { Director } from '../../golden/director.js'
import { makeDriver } from '../../golden/topology.js'

const ends = {
  4: { src: '10.1.0.1', dst: '10.0.0.100' },
  6: { src: '2001:db8:1::1', dst: '2001:db8::100' },
}
const GUARDED = 80
const UNGUARDED = 81

async function setup(...services: string[]) {
  const lab = { vips: [ends[4].dst], vips6: [ends[6].dst], mtu_s: 1500, mtu_c: 1500 }
  const director = new Director({ ...lab, icmp_ratelimit: 0 }, makeDriver)
  for (const service of services) {
    const { out } = await director.command(service)
    if (out !== '') throw new Error(out)
  }
  return director
}

const vips = [ends[4].dst, `[${ends[6].dst}]`]
const listeners = vips.flatMap(vip => [
  `ipvsadm -A -t ${vip}:${GUARDED} -s rr`,
  `ipvsadm -A --sctp-service ${vip}:${GUARDED} -s rr`,
])

type Change = (ip: Uint8Array, l4: number) => void
const flip: Change = (ip, l4) => (ip[l4 + 16]! ^= 0xff)

/** The answers to a packet to either port, which are the same but for the port. */
async function answers(record: Omit<PacketRecord, 'src' | 'dst'>, change?: Change) {
  const director = await setup(...listeners)
  const seen: string[] = []
  for (const family of [4, 6] as const) {
    for (const port of [GUARDED, UNGUARDED]) {
      const at = family === 4 ? 20 : 40
      const { tcp, sctp } = record
      const to = { srcPort: 4000, dstPort: port }
      const ip = buildBytes({
        ...{ ...record, ...ends[family] },
        ...(tcp === undefined ? {} : { tcp: { ...tcp, ...to } }),
        ...(sctp === undefined ? {} : { sctp: { ...sctp, ...to } }),
      })
      change?.(ip, at)
      director.inject('client', ip)
      seen.push(director.take().map(f => toHex(f.ip)).join(' ')) // prettier-ignore
    }
  }
  return seen
}

/** What came back, family by family: service class, then transport header without ports and sums. */
const reply = (hex: string, family: 4 | 6) => {
  const b = Buffer.from(hex, 'hex')
  const l4 = family === 4 ? 20 : 40
  const tos = family === 4 ? b[1]! : (b.readUInt16BE(0) >>> 4) & 0xff
  return { tos, srcPort: b.readUInt16BE(l4), body: b.subarray(l4) }
}
const ports = { srcPort: 0, dstPort: 0 }

t.test('a reset has the class of service of what it answers, but no congestion mark', async t => {
  const seen = await answers({ tos: 0xbb, tcp: { ...ports, flags: '.' } })
  for (const [i, hex] of seen.entries()) {
    const { tos, srcPort, body } = reply(hex, i < 2 ? 4 : 6)
    t.equal(tos, 0xb8)
    t.equal(srcPort, i % 2 === 0 ? GUARDED : UNGUARDED)
    t.equal(body[13], 4, 'RST')
  }
})

t.test('nothing damaged is answered', async t => {
  const nothing = ['', '', '', '']
  t.strictSame(await answers({ tcp: { ...ports, flags: '.' } }, flip), nothing, 'TCP checksum')
  const short: Change = (ip, l4) => (ip[l4 + 12] = 0x40)
  t.strictSame(await answers({ tcp: { ...ports, flags: '.' } }, short), nothing, 'TCP offset')
  const chunks = [{ type: 0, value: new Uint8Array(12) }]
  t.strictSame(await answers({ sctp: { ...ports, chunks } }, flip), nothing, 'SCTP checksum')
})

const SCTP_ANSWERS: readonly [string, readonly number[], number | null][] = [
  ['DATA: ABORT', [0], 6],
  ['COOKIE ECHO: ABORT', [10], 6],
  ['SHUTDOWN ACK: SHUTDOWN COMPLETE', [8], 14],
  ['COOKIE ACK: nothing', [11], null],
  ['an ABORT behind: nothing', [3, 6], null],
  ['a SHUTDOWN COMPLETE: nothing', [14], null],
  ['an INIT behind: nothing', [3, 1], null],
  ['a COOKIE ECHO with data: ABORT', [10, 0], 6],
]
for (const [about, types, expected] of SCTP_ANSWERS) {
  t.test(`SCTP out of the blue (RFC 9260 section 8.4), ${about}`, async t => {
    const chunks = types.map(type => ({ type, value: new Uint8Array(4) }))
    const seen = await answers({ sctp: { ...ports, tag: 77, chunks } })
    for (const [i, hex] of seen.entries()) {
      if (expected === null) t.equal(hex, '')
      else {
        const { body } = reply(hex, i < 2 ? 4 : 6)
        t.strictSame([body.readUInt32BE(4), body[12], body[13]], [77, expected, 1])
      }
    }
  })
}

t.test('IPv6 knows no martian source: answers of DR servers pass and are seen', async t => {
  const vip = `[${ends[6].dst}]:80`
  const director = await setup(
    `ipvsadm -A -t ${vip} -s rr`,
    `ipvsadm -a -t ${vip} -r [2001:db8:10::11]:80 -g`,
  )
  const syn = { srcPort: 4000, dstPort: 80, flags: 'S' }
  director.inject('client', buildBytes({ ...ends[6], tcp: syn }))
  director.take()
  const back = { src: ends[6].dst, dst: ends[6].src, tcp: { srcPort: 80, dstPort: 4000 } }
  const answer = { ...back, tcp: { ...back.tcp, flags: 'S.' } }
  director.inject('server', buildBytes(answer))
  const through = toHex(buildBytes({ ...answer, ttl: 63 }))
  t.strictSame(director.take().map(f => `${f.port} ${toHex(f.ip)}`), [`client ${through}`]) // prettier-ignore
  director.advanceTo(4000)
  const { out } = await director.command('ipvsadm -Ln --stats')
  t.match(out, /-> \[2001:db8:10::11\]:80 +1 +1 +1 +60 +60\n/, 'one packet in, one out')
})
