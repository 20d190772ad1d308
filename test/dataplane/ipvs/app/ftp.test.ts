import t from 'tap'
import { Random } from '../../../fixtures/seed.js'
import { CAST, CLIENT_PORT, FtpBench, type Seen } from './bench.js'

const { client: CLIENT, vip: VIP, server: SERVER } = CAST[4]
const OWN = '227 Entering Passive Mode (192,168,10,11,195,80)\r\n'
/** What the client has to see of it. */
const TOLD = '227 Entering Passive Mode (198,51,100,200,195,80)\r\n'

const GSO_TCPV4 = 1
/** struct virtio_net_hdr: NEEDS_CSUM, no or some segmentation. */
const vnet = (type: number, size: number, header: number) =>
  Uint8Array.from([1, type, 0, 0, size & 0xff, size >>> 8, header, 0, 16, 0])

t.test('PASV: rewritten, expected, adjusted; and the data connection', async t => {
  const bench = new FtpBench().connect()
  bench.client({ seq: 1000, ack: 5000, text: 'PASV\r\n' })
  const [reply] = bench.server({ seq: 5000, ack: 1006, text: OWN })
  t.match(reply, { wire: 'client', src: VIP, srcPort: 21, text: TOLD, seq: 5000, sound: true })
  t.strictSame(bench.connections(), [
    `${CLIENT} 0 > ${VIP} 50000 > ${SERVER} 50000 > LISTEN`,
    `${CLIENT} ${CLIENT_PORT} > ${VIP} 21 > ${SERVER} 21 > ESTABLISHED`,
  ])
  t.equal(bench.count('helperExpected'), 1)
  const grown = TOLD.length - OWN.length
  const acked = bench.client({ seq: 1006, ack: 5000 + TOLD.length, flags: '.' })
  t.match(acked, [{ wire: 'server', ack: 5000 + OWN.length, sound: true }])
  const next = bench.server({ seq: 5000 + OWN.length, ack: 1006, text: '150 ok\r\n' })
  t.match(next, [{ seq: 5000 + OWN.length + grown, text: '150 ok\r\n', sound: true }])
  const syn = bench.client({ srcPort: 4100, dstPort: 50000, flags: 'S' })
  t.match(syn, [{ wire: 'server', dst: SERVER, dstPort: 50000, srcPort: 4100, sound: true }])
  const answer = bench.server({ srcPort: 50000, dstPort: 4100, flags: 'S.' })
  t.match(answer, [{ wire: 'client', src: VIP, srcPort: 50000, dstPort: 4100, sound: true }])
  t.ok(
    bench.connections().some(line => line.includes(`${CLIENT} 4100`)),
    'its port is known now',
  )
})

t.test('SACK blocks are adjusted as acknowledgements are', async t => {
  const bench = new FtpBench().connect()
  bench.client({ seq: 1000, ack: 5000, text: 'PASV\r\n' })
  bench.server({ seq: 5000, ack: 1006, text: OWN })
  const grown = TOLD.length - OWN.length
  const edge = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]
  const block = [...edge(6000), ...edge(6010)]
  const options = [1, 1, 5, 18, ...block, ...edge(4000), ...edge(4500)]
  const [seen] = bench.client({ seq: 1006, ack: 5000, flags: '.', options })
  const shifted = [...edge(6000 - grown), ...edge(6010 - grown)]
  t.strictSame(
    seen && [...seen.options],
    [1, 1, 5, 18, ...shifted, ...edge(4000), ...edge(4500)],
    'behind the change, and before it',
  )
  t.equal(seen?.sound, true)
  for (const bad of [
    [5, 200, 0, 0],
    [5, 0, 0, 0],
    [5, 1, 0, 0],
    [1, 1, 1, 5],
    [5, 3, 1, 0],
  ]) {
    const [kept] = bench.client({ seq: 1006, ack: 5000, flags: '.', options: bad })
    t.match(kept, { options: Uint8Array.from(bad), sound: true }, 'nonsense stays as it is')
  }
})

t.test('IPv6: 229 and EPRT', async t => {
  const { client, vip, server } = CAST[6]
  const bench = new FtpBench(6).connect()
  bench.client({ seq: 1000, ack: 5000, text: 'EPSV 2\r\n' })
  const text = '229 Entering Extended Passive Mode (!!!50000!)\r\n'
  const [reply] = bench.server({ seq: 5000, ack: 1008, text })
  t.match(reply, { text: text.replace('!!!50000!', '|||50000|'), sound: true })
  bench.client({ seq: 1008, ack: 5000, text: `EPRT |2|${client}|4106|\r\n` })
  t.strictSame(
    bench.connections().filter(line => line.endsWith('LISTEN')),
    [
      `${client} 0 > ${vip} 50000 > ${server} 50000 > LISTEN`,
      `${client} 4106 > ${vip} 20 > ${server} 20 > LISTEN`,
    ],
  )
  const syn = bench.server({ srcPort: 20, dstPort: 4106, flags: 'S' })
  t.match(syn, [{ wire: 'client', src: vip, srcPort: 20, dstPort: 4106, sound: true }])
})

t.test("another host's address", async t => {
  const foreign = (open: boolean) => {
    const bench = new FtpBench().connect()
    bench.ipvs.settings.ftpForeignPort = open
    bench.ipvs.settings.ftpForeignServer = open
    const port = bench.client({ seq: 1000, ack: 5000, text: 'PORT 10,1,0,9,16,10\r\n' })
    bench.client({ seq: 1021, ack: 5000, text: 'PASV\r\n' })
    const pasv = bench.server({ seq: 5000, ack: 1027, text: '227 (10,9,8,7,195,82)\r\n' })
    const made = bench.connections().filter(line => line.endsWith('LISTEN'))
    return { bench, made, texts: [...port, ...pasv].map(one => one.text) }
  }
  const closed = foreign(false)
  t.strictSame(closed.made, [], 'nothing is expected')
  t.strictSame(closed.texts, ['PORT 10,1,0,9,16,10\r\n', '227 (10,9,8,7,195,82)\r\n'])
  t.equal(closed.bench.count('helperRefused'), 2)
  const open = foreign(true)
  t.strictSame(open.made, [
    `10.1.0.9 4106 > ${VIP} 20 > ${SERVER} 20 > LISTEN`,
    `${CLIENT} 0 > ${VIP} 50002 > 10.9.8.7 50002 > LISTEN`,
  ])
  t.strictSame(open.texts, ['PORT 10,1,0,9,16,10\r\n', '227 (198,51,100,200,195,82)\r\n'])
})

t.test('a server that announces the virtual address means its own', async t => {
  const bench = new FtpBench().connect()
  bench.client({ seq: 1000, ack: 5000, text: 'PASV\r\n' })
  bench.server({ seq: 5000, ack: 1006, text: TOLD })
  t.match(bench.connections()[0], `> ${SERVER} 50000 > LISTEN`)
})

t.test('a reply that is sent again is rewritten again, or not, by the setting', async t => {
  for (const again of [true, false]) {
    const bench = new FtpBench().connect()
    bench.ipvs.settings.ftpRewriteRetransmissions = again
    bench.client({ seq: 1000, ack: 5000, text: 'PASV\r\n' })
    bench.server({ seq: 5000, ack: 1006, text: OWN })
    const copy = bench.server({ seq: 5000, ack: 1006, text: OWN })
    t.match(copy, [{ seq: 5000, text: again ? TOLD : OWN, sound: true }])
    if (!again) continue
    const late = bench.server({ seq: 5000, ack: 1006, text: `${OWN}150 ok\r\n` })
    t.match(late, [{ seq: 5000, text: `${TOLD}150 ok\r\n` }], 'with what followed')
    t.equal(bench.count('helperExpected'), 1, 'nothing new is expected')
  }
})

t.test('a bad checksum on a control connection is a drop', async t => {
  const bench = new FtpBench().connect()
  const spoilt = (wire: 'client' | 'server') => {
    const { client, vip, server } = CAST[4]
    const ends = wire === 'client' ? { src: client, dst: vip } : { src: server, dst: client }
    const [a, b] = [CLIENT_PORT, 21]
    const ports = wire === 'client' ? { srcPort: a, dstPort: b } : { srcPort: b, dstPort: a }
    const frame = bench.frame(ends, ports, { seq: 1000, ack: 5000, text: 'NOOP\r\n' })
    frame[frame.length - 1]! ^= 1
    return bench.inject(wire, frame)
  }
  t.strictSame(spoilt('client'), [])
  t.strictSame(spoilt('server'), [])
  t.equal(bench.count('badTransportChecksum'), 2)
})

t.test('only while ESTABLISHED, and only on its ports', async t => {
  const bench = new FtpBench()
  bench.client({ flags: 'S', seq: 999 })
  bench.server({ flags: 'S.', seq: 4999, ack: 1000 })
  bench.client({ seq: 1000, ack: 5000, flags: 'F.' })
  bench.client({ seq: 1001, ack: 5000, text: 'PORT 192,0,2,9,16,10\r\n' })
  t.equal(bench.count('helperExpected'), 0, 'closing')
  const other = new FtpBench()
  other.ipvs.configure({ ...other.ipvs.configuration(), ftpPorts: [2121] })
  other.connect().client({ seq: 1000, ack: 5000, text: 'PORT 192,0,2,9,16,10\r\n' })
  t.equal(other.count('helperExpected'), 0, 'another port')
})

t.test('the control connection lives as long as what it announced', async t => {
  const bench = new FtpBench().connect()
  bench.client({ seq: 1000, ack: 5000, text: 'PORT 192,0,2,9,16,10\r\n' })
  bench.client({ seq: 1021, ack: 5000, flags: 'R' })
  bench.pass(100)
  t.match(bench.connections(), [/CLOSE/, /LISTEN/], 'both; CLOSE alone lasts 10 s')
  bench.pass(200)
  t.strictSame(bench.connections(), [], 'LISTEN lasts 120 s, its control up to 60 s more')
})

t.test('offload frames: a partial checksum is completed, segments go one by one', async t => {
  const bench = new FtpBench().connect()
  bench.client({ seq: 1000, ack: 5000, text: 'PASV\r\n' })
  const ends = { src: SERVER, dst: CLIENT }
  const ports = { srcPort: 21, dstPort: CLIENT_PORT }
  const text = OWN + 'x'.repeat(2000)
  for (const size of [1000, 0]) {
    const sent = size === 0 ? OWN : text
    const frame = bench.frame(ends, ports, { seq: 5000, ack: 1006, text: sent })
    // Where hardware computes the rest, the field holds the pseudo-header's sum.
    const v = new DataView(frame.buffer)
    let sum = 6 + frame.length - 34
    for (let at = 26; at < 34; at += 2) sum += v.getUint16(at)
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
    v.setUint16(34 + 16, sum)
    const seen = bench.inject('server', frame, vnet(size === 0 ? 0 : GSO_TCPV4, size, 34))
    const whole = size === 0 ? TOLD : TOLD + 'x'.repeat(2000)
    t.equal(joined(seen, 5000), whole)
    t.ok(seen.every(one => one.sound && one.src === VIP))
    t.equal(seen.length, size === 0 ? 1 : 3)
  }
})

t.test('a segment that grows beyond the MTU leaves as two', async t => {
  const bench = new FtpBench().connect()
  bench.client({ seq: 1000, ack: 5000, text: 'PASV\r\n' })
  const own = '227 (192,168,10,11,195,80)\r\n'
  const text = own + 'x'.repeat(1460 - own.length)
  const seen = bench.server({ seq: 5000, ack: 1006, text })
  t.equal(joined(seen, 5000), text.replace('192,168,10,11', '198,51,100,200'))
  t.ok(seen.every(one => one.sound && one.octets <= 1500))
})

t.test('a worker that starts again goes on counting as the last one did', async t => {
  const bench = new FtpBench().connect()
  bench.client({ seq: 1000, ack: 5000, text: 'PASV\r\n' })
  bench.server({ seq: 5000, ack: 1006, text: '227 (192,168,10,11,1,1)\r\n' })
  const next = new FtpBench(4, bench)
  const at = 5000 + '227 (192,168,10,11,1,1)\r\n'.length
  const [seen] = next.server({ seq: at, ack: 1006, text: '150 ok\r\n' })
  t.match(seen, { seq: 5000 + '227 (198,51,100,200,1,1)\r\n'.length, src: VIP, sound: true })
})

t.test('any conversation reads as one stream to the client', async t => {
  const random = Random.of(t)
  for (let round = 0; round < 30; round++) converse(t, random)
})

t.test('hostile packets: no fault, and what leaves is sound', async t => {
  const random = Random.of(t)
  const bench = new FtpBench().connect()
  const words = [
    'PASV\r\n',
    'PORT 192,0,2,9,',
    '227 (192,168,10,11,',
    '227 ',
    '1,2)\r\n',
    'EPSV\r\n',
    '229 (|||7|)',
  ]
  for (let i = 0; i < 3000; i++) {
    const noise = () => Buffer.from(random.bytes(random.integer(0, 9))).toString('latin1')
    const text = [random.pick(words), random.pick(words), noise()]
      .slice(random.integer(0, 2))
      .join('')
    const options = [...random.bytes(4 * random.integer(0, 10))]
    const sent = { seq: random.word() >>> 0, ack: random.word() >>> 0, text, options }
    const seen = random.boolean() ? bench.client(sent) : bench.server(sent)
    if (seen.some(one => !one.sound)) t.fail(JSON.stringify(sent))
    if (bench.connections().length > 1000) break
  }
  t.equal(bench.count('internalError'), 0)
  t.ok(bench.count('helperMalformed') > 0)
})

/** Puts segments where their numbers say; octets that come twice have to be the same. */
function joined(seen: readonly Seen[], first: number): string {
  const stream: string[] = []
  for (const { seq, text } of seen) {
    for (let i = 0; i < text.length; i++) {
      const at = seq - first + i
      if (stream[at] !== undefined && stream[at] !== text[i]) return `two texts at ${at}`
      stream[at] = text[i]!
    }
  }
  return stream.length === Object.keys(stream).length ? stream.join('') : 'holes'
}

/**
 * Replies of many lengths, other lines and retransmissions, the numbers near their wrap. The client
 * is a plain TCP: it joins what it gets by sequence number and acknowledges what it has.
 */
function converse(t: { equal: (a: unknown, b: unknown, why: string) => unknown }, random: Random) {
  const bench = new FtpBench()
  const first = random.pick([5000, 0xffff_ff80])
  const wrap = (n: number) => n >>> 0
  bench.client({ flags: 'S', seq: 999 })
  bench.server({ flags: 'S.', seq: wrap(first - 1), ack: 1000 })
  bench.client({ flags: '.', seq: 1000, ack: first })
  let [sent, told, asked] = [0, 0, 1000]
  let expected = ''
  const all: Seen[] = []
  const unwrapped = (one: Seen): Seen => ({ ...one, seq: wrap(one.seq - first) })
  for (let i = 0; i < 25; i++) {
    const port = random.integer(1, 255)
    const isReply = random.boolean()
    if (isReply) {
      bench.client({ seq: asked, ack: wrap(first + told), text: 'PASV\r\n' })
      asked += 6
    }
    const text = isReply
      ? `227 (192,168,10,11,${port},1)\r\n`
      : `150 ${'x'.repeat(random.integer(0, 60))}\r\n`
    const copies = random.integer(1, 3)
    for (let copy = 0; copy < copies; copy++)
      all.push(...bench.server({ seq: wrap(first + sent), ack: asked, text }).map(unwrapped))
    const shown = text.replace('192,168,10,11', '198,51,100,200')
    expected += shown
    sent += text.length
    told += shown.length
    const [acked] = bench.client({ seq: asked, ack: wrap(first + told), flags: '.' })
    if (acked?.ack !== wrap(first + sent)) t.equal(acked?.ack, wrap(first + sent), `ack ${i}`)
  }
  t.equal(joined(all, 0), expected, 'the stream')
  t.equal(
    all.every(one => one.sound),
    true,
    'every checksum',
  )
}
