/** SIP persistence with real datagrams through the whole engine. */
import t from 'tap'
import { Counter } from '../../../../dataplane/counters.js'
import { Director } from '../../../golden/director.js'
import { readHeaders } from '../../../golden/headers.js'
import { makeDriver } from '../../../golden/topology.js'
import { buildBytes } from '../../../fixtures/packets.js'

const LAB = { vips: ['10.0.0.100'], vips6: ['2001:db8:0::100'], mtu_s: 1500, mtu_c: 1500 }
const ipv4 = {
  vip: '10.0.0.100',
  client: '10.1.0.1',
  server: (k: number) => `192.168.10.${10 + k}`,
}
const ipv6 = {
  ...{ vip: '2001:db8::100', client: '2001:db8:1::1' },
  server: (k: number) => `2001:db8:10::${10 + k}`,
}
type Cast = typeof ipv4

const text = (host: string, port: number) =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

class Bench {
  readonly director = new Director({ ...LAB, icmp_ratelimit: 0 }, makeDriver)
  readonly cast: Cast
  constructor(cast: Cast) {
    this.cast = cast
  }

  static async of(cast: Cast, { options = '-p 60 --pe sip -o', port = 5060 } = {}): Promise<Bench> {
    const bench = new Bench(cast)
    const vip = text(cast.vip, port)
    await bench.run(`ipvsadm -A -u ${vip} -s rr ${options}`)
    for (const k of [1, 2]) {
      await bench.run(`ipvsadm -a -u ${vip} -r ${text(cast.server(k), port)} -m`)
    }
    return bench
  }

  async run(line: string): Promise<string> {
    const { out, exit } = await this.director.command(line)
    if (exit !== 0) throw new Error(`${line}: ${out}`)
    return out
  }

  /** From a client, with that Call-ID; returns where it went: `server 1`, or what was sent. */
  call(callId: string | null, { client = this.cast.client, srcPort = 5060 } = {}): string {
    const seen = this.#send('client', client, this.cast.vip, srcPort, callId)
    const k = [1, 2].find(k => seen.endsWith(` > ${text(this.cast.server(k), 5060)}`))
    return k === undefined ? seen : `server ${k}`
  }

  /** From a real server to a client; returns what came out. */
  answer(
    server: string,
    callId: string | null,
    { client = this.cast.client, srcPort = 5060 } = {},
  ) {
    return this.#send('server', server, client, srcPort, callId)
  }

  #send(wire: 'client' | 'server', src: string, dst: string, srcPort: number, id: string | null) {
    const lines = ['OPTIONS sip:x SIP/2.0', ...(id === null ? [] : [`Call-ID: ${id}`]), '', '']
    const payload = Buffer.from(lines.join('\r\n'))
    const ip = buildBytes({ src, dst, udp: { srcPort, dstPort: 5060, payload } })
    this.director.inject(wire, ip)
    this.director.advanceTo(this.director.nowMs + 0.5)
    const words = this.director.take().map(({ port, ip }) => {
      const h = readHeaders(ip)!
      return `${port} ${text(h.src, h.ports!.src)} > ${text(h.dst, h.ports!.dst)}`
    })
    return words.join('; ')
  }

  /** `state client virtual destination engine data`, sorted. */
  async templates(): Promise<string[]> {
    const rows = (await this.run('ipvsadm -Lnc --persistent-conn')).trim().split('\n').slice(2)
    return rows.map(row => row.split(/ +/).slice(2).join(' ')).sort()
  }
}

t.test('the client and the Call-ID together choose the server', async t => {
  for (const cast of [ipv4, ipv6]) {
    const bench = await Bench.of(cast)
    const other = cast === ipv4 ? '10.1.0.2' : '2001:db8:1::2'
    t.equal(bench.call('a@host'), 'server 2')
    t.equal(bench.call('b@host'), 'server 1')
    t.equal(bench.call('a@host', { srcPort: 6000 }), 'server 2', 'from any port')
    t.equal(bench.call('A@host'), 'server 2', 'case counts')
    t.equal(bench.call('a@host', { client: other }), 'server 1', 'another client')
    t.equal(bench.call('b@host'), 'server 1')
    t.equal((await bench.templates()).length, 4)
    t.equal(
      bench.director.ipvs.conns.records.size,
      4,
      'one-packet connections leave only templates',
    )
  }
})

t.test('a datagram without Call-ID is dropped and counted', async t => {
  const bench = await Bench.of(ipv4)
  t.equal(bench.call(null), '')
  t.equal(bench.call('x'.repeat(256)), '', 'longer than 255 octets')
  t.equal(bench.call('x'.repeat(255)), 'server 2')
  t.equal(bench.director.counters[Counter.noEngineData], 2)
  const [row] = await bench.templates()
  t.equal(row, `NONE 10.1.0.1:0 10.0.0.100:5060 192.168.10.12:5060 sip ${'x'.repeat(255)}`)
})

t.test('without -o the connection follows its packets, whatever their Call-ID', async t => {
  const bench = await Bench.of(ipv4, { options: '-p 60 --pe sip' })
  t.equal(bench.call('a@host'), 'server 2')
  t.equal(bench.call('b@host'), 'server 2')
  t.equal(bench.call(null), 'server 2')
  t.equal(bench.call('b@host', { srcPort: 5062 }), 'server 1')
  const rows = await bench.templates()
  t.match(
    rows.filter(row => row.startsWith('NONE')),
    [/10\.12:5060 sip a@host$|10\.11:5060 sip b@host$/, /sip [ab]@host$/],
  )
  t.notMatch(rows.filter(row => row.startsWith('UDP')).join(), /sip/, 'templates only')
})

t.test('templates and their data end together', async t => {
  const bench = await Bench.of(ipv4)
  for (let i = 0; i < 100; i++) bench.call(`${i}@host`)
  const { conns } = bench.director.ipvs
  t.strictSame([conns.records.size, conns.engineData.size], [100, 100])
  bench.director.advanceTo(bench.director.nowMs + 70_000)
  t.strictSame([conns.records.size, conns.engineData.size], [0, 0])
  for (let i = 0; i < 100; i++) bench.call(`again ${i}`.replace(' ', '-'))
  t.equal(conns.engineData.size, 100)
  t.equal(bench.call('again-7'), bench.call('again-7'))
})

t.test('a service that loses its engine forgets the calls', async t => {
  const bench = await Bench.of(ipv4)
  bench.call('a@host')
  await bench.run('ipvsadm -E -u 10.0.0.100:5060 -s rr -p 60 -o')
  t.equal(bench.call(null), 'server 1', 'scheduled anew: no template without data')
  t.match(await bench.templates(), [/10\.11:5060$/, /10\.12:5060 sip a@host$/])
})

t.test('a call that a real server begins', async t => {
  for (const cast of [ipv4, ipv6]) {
    const bench = await Bench.of(cast)
    const [vip, client] = [text(cast.vip, 5060), text(cast.client, 5060)]
    t.equal(bench.answer(cast.server(1), 'out@host'), `client ${vip} > ${client}`, 'as the service')
    t.equal(bench.call('out@host'), 'server 1', 'not the turn of server 1')
    t.equal(bench.call('out@host'), 'server 1')
    const template = `${text(cast.client, 0)} ${vip} ${text(cast.server(1), 5060)} sip out@host`
    t.strictSame(await bench.templates(), [`ASSURED ${template}`])
    const service = [...bench.director.ipvs.services][0]!
    bench.director.advanceTo(bench.director.nowMs + 2500)
    const listing = await bench.run('ipvsadm -Ln --stats --exact')
    t.match(listing, new RegExp(`^UDP +\\S+ +3 +2 +1 `, 'm'), 'conns, packets in, packets out')
    t.equal(service.dests.length, 2)
  }
})

t.test('another real server that takes a call over gets it', async t => {
  const bench = await Bench.of(ipv4)
  t.equal(bench.call('a@host'), 'server 2')
  t.match(bench.answer('192.168.10.11', 'a@host'), /^client 10\.0\.0\.100:5060 > 10\.1\.0\.1:5060/)
  t.equal(bench.call('a@host'), 'server 1')
  t.strictSame(await bench.templates(), [
    'ASSURED 10.1.0.1:0 10.0.0.100:5060 192.168.10.11:5060 sip a@host',
    'NONE 10.1.0.1:0 10.0.0.100:65535 192.168.10.12:65535 sip a@host',
  ])
})

t.test('what a real server sends otherwise is forwarded as it is', async t => {
  const bench = await Bench.of(ipv4)
  const from = (host: string, port = 5060) =>
    new RegExp(`^client ${host}:${port} > 10\\.1\\.0\\.1:5060`)
  t.match(bench.answer('192.168.10.11', null), from('192.168.10.11'), 'no Call-ID')
  t.match(bench.answer('192.168.10.13', 'a@host'), from('192.168.10.13'), 'no real server')
  const options = { srcPort: 5061 }
  t.match(
    bench.answer('192.168.10.11', 'a@host', options),
    from('192.168.10.11', 5061),
    'its other port',
  )
  t.equal(bench.director.ipvs.conns.records.size, 0)
  const plain = await Bench.of(ipv4, { options: '-p 60 -o' })
  t.match(plain.answer('192.168.10.11', 'a@host'), from('192.168.10.11'), 'no engine')
})

t.test('an engine is for UDP only: others have no Call-ID and are dropped', async t => {
  const bench = new Bench(ipv4)
  await bench.run('ipvsadm -A -t 10.0.0.100:5060 -s rr -p 60 --pe sip')
  await bench.run('ipvsadm -a -t 10.0.0.100:5060 -r 192.168.10.11:5060 -m')
  const tcp = { srcPort: 5060, dstPort: 5060, flags: 'S' }
  bench.director.inject('client', buildBytes({ src: '10.1.0.1', dst: '10.0.0.100', tcp }))
  bench.director.advanceTo(1)
  t.strictSame(bench.director.take(), [])
  t.equal(bench.director.counters[Counter.noEngineData], 1)
})

t.test('a worker that starts again knows the calls', async t => {
  const bench = await Bench.of(ipv4)
  for (let i = 0; i < 20; i++) bench.call(`${i}@host`)
  const before = await bench.templates()
  const { conns } = bench.director.ipvs
  // As a new worker: what is not in shared memory is built anew.
  conns.adopt([...bench.director.ipvs.services].flatMap(s => s.dests))
  t.strictSame([conns.records.size, conns.engineData.size], [20, 20])
  for (let i = 0; i < 20; i++)
    t.equal(bench.call(`${i}@host`), i % 2 === 0 ? 'server 2' : 'server 1')
  t.strictSame(await bench.templates(), before)
})
