// Answers of a real server that is the balancer itself (ipvs-semantics: LOCAL_OUT out-handler). The
// expected packets come from the fixture's builder, with checksum code of its own.
import t from 'tap'
import { buildBytes, toHex } from '../../fixtures/packets.js'
import { commandBench as setup } from './command-bench.js'

const CAST = {
  4: { client: '192.0.2.9', vip: '198.51.100.200', own: '10.0.0.1', name: '198.51.100.200' },
  6: {
    client: '2001:db8:c::9',
    vip: '2001:db8:f::10',
    own: '2001:db8::1',
    name: '[2001:db8:f::10]',
  },
} as const
const FAMILIES = [4, 6] as const
type Family = (typeof FAMILIES)[number]

const PAYLOAD = Uint8Array.of(1, 2, 3)
const protocols = {
  tcp: (srcPort: number, dstPort: number, flags: string) => ({
    tcp: { srcPort, dstPort, flags, payload: PAYLOAD },
  }),
  udp: (srcPort: number, dstPort: number) => ({ udp: { srcPort, dstPort, payload: PAYLOAD } }),
  sctp: (srcPort: number, dstPort: number, flags: string) => ({
    sctp: { srcPort, dstPort, tag: 7, chunks: [{ type: flags === 'S' ? 1 : 2 }] },
  }),
}
const OPTIONS = { tcp: '-t', udp: '-u', sctp: '--sctp-service' } as const
const NAMES = ['tcp', 'udp', 'sctp'] as const

function masqueraded(family: Family, protocol: (typeof NAMES)[number]): string[] {
  const { name, own } = CAST[family]
  const server = family === 4 ? `${own}:8080` : `[${own}]:8080`
  return [
    `-A ${OPTIONS[protocol]} ${name}:80 -s rr`,
    `-a ${OPTIONS[protocol]} ${name}:80 -r ${server} -m`,
  ]
}

for (const family of FAMILIES) {
  const { client, vip, own } = CAST[family]
  for (const protocol of NAMES) {
    t.test(`IPv${family}, ${protocol}: translated both ways, no hop counted`, async t => {
      const bench = await setup(...masqueraded(family, protocol))
      t.equal(bench.ipvs.ownServers.any, true)
      const packet = protocols[protocol]
      t.strictSame(
        bench.client({ src: client, dst: vip, ...packet(4000, 80, 'S') }),
        [toHex(buildBytes({ src: client, dst: own, ...packet(4000, 8080, 'S') }))],
        'to the host itself',
      )
      t.strictSame(
        bench.host({ src: own, dst: client, ttl: 64, ...packet(8080, 4000, 'S.') }, true),
        [toHex(buildBytes({ src: vip, dst: client, ttl: 64, ...packet(80, 4000, 'S.') }))],
        'to the client',
      )
    })
  }

  t.test(`IPv${family}: what belongs to no connection leaves as it was`, async t => {
    const bench = await setup(...masqueraded(family, 'tcp'))
    const other = { src: own, dst: client, ...protocols.tcp(8080, 4001, 'S.') }
    t.strictSame(bench.host(other, true), [toHex(buildBytes(other))])
    t.strictSame(bench.host(other, false), [], 'and what is only seen is not sent again')
  })

  t.test(`IPv${family}: the host's error about the server's packet`, async t => {
    const bench = await setup(...masqueraded(family, 'udp'))
    bench.client({ src: client, dst: vip, ...protocols.udp(4000, 80) })
    // TTL 64: IPVS decrements none for a packet to the host itself.
    const quote = (dst: string, port: number) =>
      buildBytes({ src: client, dst, ...protocols.udp(4000, port) })
    const kind = family === 4 ? { type: 3, code: 3 } : { type: 1, code: 4 }
    const [seen] = bench.host(
      { src: own, dst: client, icmp: { ...kind, payload: quote(own, 8080) } },
      true,
    )
    const expected = buildBytes({
      src: vip,
      dst: client,
      icmp: { ...kind, payload: quote(vip, 80) },
    })
    // The quoted transport checksum is left alone, so blank it and what sums over it.
    const l4 = family === 4 ? 20 : 40
    const blank = (hex: string) => {
      const b = Buffer.from(hex, 'hex')
      b.fill(0, l4 + 2, l4 + 4)
      b.fill(0, l4 + 8 + l4 + 6, l4 + 8 + l4 + 8)
      return b.toString('hex')
    }
    t.equal(blank(seen ?? ''), blank(toHex(expected)))
  })

  t.test(`IPv${family}: a reset that goes past closes a local server's connection`, async t => {
    const { name } = CAST[family]
    const server = family === 4 ? own : `[${own}]`
    const bench = await setup(`-A -t ${name}:80 -s rr`, `-a -t ${name}:80 -r ${server}:80 -g`)
    bench.client({ src: client, dst: vip, ...protocols.tcp(4000, 80, 'S') })
    t.strictSame(await bench.states(), ['SYN_RECV'])
    const reset = { src: vip, dst: client, ...protocols.tcp(80, 4000, 'R.') }
    t.strictSame(bench.host(reset, false), [], 'it is on its way already')
    t.strictSame(await bench.states(), ['CLOSE'])
  })
}

t.test('servers elsewhere leave the host alone', async t => {
  const bench = await setup(
    '-A -t 198.51.100.200:80 -s rr',
    '-a -t 198.51.100.200:80 -r 192.168.10.11:80 -m',
  )
  t.equal(bench.ipvs.ownServers.any, false)
})

t.test('nat_icmp_send holds back what belongs to no connection, but for resets', async t => {
  const { client, own } = CAST[4]
  const bench = await setup(...masqueraded(4, 'tcp'))
  const answer = (port: number, flags: string) =>
    bench.host({ src: own, dst: client, ...protocols.tcp(port, 4000, flags) }, true).length
  t.equal(answer(8080, 'S.'), 1)
  bench.ipvs.settings.natIcmpSend = true
  t.equal(answer(8080, 'S.'), 0)
  t.equal(answer(8080, 'R.'), 1, 'a reset')
  t.equal(answer(8081, 'S.'), 1, 'another port')
})
