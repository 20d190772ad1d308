/**
 * What the ends of a killed connection are told. The numbers wanted are the RFCs': a reset carries
 * the acknowledgement number of the packet that it answers (RFC 9293 section 3.10.7.1), an ABORT the
 * receiver's tag, or the sender's with the T bit (RFC 9260 section 8.5.1).
 */
import t from 'tap'
import { Counter } from '../../../../dataplane/counters.js'
import type { ForwardingName } from '../../../../dataplane/protocol.js'
import { Bench, CAST } from './bench.js'

type Family = 'ipv4' | 'ipv6'
const FAMILIES: readonly Family[] = ['ipv4', 'ipv6']

function setTcp(family: Family, forwarding: ForwardingName = 'masq', persistent = false) {
  const { vip, client, a, b } = CAST[family]
  const bench = new Bench()
  const netmask = family === 'ipv4' ? '255.255.255.255' : 128
  bench.add({ family, protocol: 'tcp', address: vip, port: 80 }, [a, b], {
    ...{ forwarding, persistence: persistent ? { timeoutS: 300, netmask } : null },
    tunnel: forwarding === 'tunnel' ? { type: 'ipip', port: 0, checksum: 'none' } : null,
  })
  const from = (flags: string, seq: number, ack: number, srcPort = 4000) =>
    bench.client({ src: client, dst: vip, tcp: { srcPort, dstPort: 80, flags, seq, ack } })
  const to = (flags: string, seq: number, ack: number, dstPort = 4000) =>
    bench.server({ src: a, dst: client, tcp: { srcPort: 80, dstPort, flags, seq, ack } })
  const connect = () => {
    from('S', 100, 0)
    if (forwarding === 'masq') to('S.', 500, 101)
    from('.', 101, 501)
  }
  const ip = family === 'ipv4' ? 'ip' : 'ip6'
  const text = { ip, client: `${client}.4000`, vip: `${vip}.80`, server: `${a}.80` }
  return { bench, from, to, connect, text }
}

for (const family of FAMILIES) {
  t.test(`${family}: silent ends are asked, and each is reset with its own numbers`, async t => {
    const { bench, from, to, connect, text } = setTcp(family)
    const { ip, client, vip, server } = text
    connect()
    const { sent, ...result } = bench.kill()
    t.match(result, { connections: 1, templates: 0, done: true })
    t.equal(sent.length, 2)
    t.match(
      sent[0],
      new RegExp(`^client: ${ip} ${vip} > ${client}: tcp \\. seq \\d+ ack \\d+ win 0 len 0`),
    )
    t.match(
      sent[1],
      new RegExp(`^server: ${ip} ${client} > ${server}: tcp \\. seq \\d+ ack \\d+ win 0 len 0`),
    )
    t.match(bench.list(), [/^tcp CLOSE /], 'it is closed, and does not count as active')

    const [toClient, toServer, ...more] = from('.', 101, 501)
    t.match(toClient, `client: ${ip} ${vip} > ${client}: tcp R seq 501 win 0 len 0`)
    t.match(toServer, `server: ${ip} ${client} > ${server}: tcp R seq 101 win 0 len 0`)
    t.strictSame(more, [])
    const answers = to('.', 501, 101)
    t.match(answers, [`server: ${ip} ${client} > ${server}: tcp R seq 101 win 0 len 0`])
    t.equal(answers.length, 1, 'the client has been told')
    t.equal(bench.counters[Counter.killed], 1)
    t.equal(bench.counters[Counter.killedPacket], 2)
    t.strictSame(bench.pass(1000), [], 'nobody is asked again')
    t.strictSame(bench.list(), [], 'and it is gone')
  })

  t.test(`${family}: data in full flow: the first packet tells both ends`, async t => {
    const { bench, to, connect, text } = setTcp(family)
    const { ip, client, vip, server } = text
    connect()
    bench.kill()
    const [toServer, toClient] = to('P.', 501, 101)
    t.match(toServer, `server: ${ip} ${client} > ${server}: tcp R seq 101`)
    t.match(toClient, `client: ${ip} ${vip} > ${client}: tcp R seq 501`)
    t.equal(to('P.', 1949, 101).length, 1, 'what else is under way draws one answer each')
  })

  for (const forwarding of ['dr', 'tunnel'] as const) {
    t.test(`${family}, ${forwarding}: the server's packets do not pass here`, async t => {
      const { bench, from, connect, text } = setTcp(family, forwarding)
      const { ip, client, vip } = text
      connect()
      const { sent } = bench.kill()
      t.match(sent, [/^client: .* tcp \. seq/], 'only the client is asked')
      t.equal(sent.length, 1)
      const [toClient, reset, probe] = from('.', 101, 501)
      t.match(toClient, `client: ${ip} ${vip} > ${client}: tcp R seq 501`)
      t.match(reset, `${ip} ${client} > ${vip}: tcp R seq 101`)
      t.match(reset, /^server: /)
      t.match(probe, new RegExp(`^server: .*${ip} ${client} > ${vip}: tcp \\. seq \\d+ ack`))
      // What the server answered to the probe met a host without that connection.
      const [passed, ...more] = from('R', 777, 0)
      t.match(passed, `${ip} ${client} > ${vip}: tcp R seq 777`)
      t.match(passed, /^server: /)
      t.strictSame(more, [])
    })
  }

  t.test(`${family}: a lost probe is repeated, then the tombstone goes`, async t => {
    const { bench, connect } = setTcp(family)
    connect()
    t.equal(bench.kill().sent.length, 2)
    t.equal(bench.pass(700).length, 2)
    t.equal(bench.pass(1800).length, 2)
    t.equal(bench.pass(6000).length, 0)
    t.strictSame(bench.list(), [])
  })

  t.test(`${family}: a new connection takes the place of a killed one at once`, async t => {
    const { bench, from, connect, text } = setTcp(family)
    connect()
    bench.ipvs.configure({ ...bench.ipvs.configuration(), connReuseMode: 0 })
    bench.kill()
    const [first] = from('S', 9000, 0)
    t.match(first, new RegExp(`^server: .*${text.client} > .*: tcp S seq 9000`))
    bench.pass(20)
    t.match(bench.list(), [/^tcp SYN_RECV/])
  })

  t.test(`${family}: a killed connection outlives its real server and a worker`, async t => {
    const { bench, from, connect, text } = setTcp(family)
    const { vip, a } = CAST[family]
    connect()
    bench.kill()
    bench.restart()
    t.match(from('.', 101, 501)[0], `${text.vip} > ${text.client}: tcp R seq 501`)
    const key = { family, protocol: 'tcp', address: vip, port: 80 } as const
    bench.ipvs.admin.delDest(key, { address: a, port: 80 })
    t.match(from('.', 101, 501)[0], `${text.vip} > ${text.client}: tcp R seq 501`)
    t.equal(bench.counters[Counter.destUnavailable], 0)
  })

  t.test(`${family}: templates go too, and what they held`, async t => {
    const { bench, from, connect } = setTcp(family, 'masq', true)
    connect()
    t.equal(bench.list().filter(line => line.startsWith('template')).length, 1)
    t.match(bench.kill(), { connections: 1, templates: 1 })
    t.strictSame(
      bench.list().map(line => line.split(' ')[0]),
      ['tcp'],
    )
    const { a, b } = CAST[family]
    bench.setWeight({ family, protocol: 'tcp', address: CAST[family].vip, port: 80 }, a, 0)
    t.match(from('S', 1, 0, 4001)[0], b, 'the next connection is scheduled anew')
  })

  t.test(`${family}: UDP is forgotten, the next datagram goes elsewhere`, async t => {
    const { vip, client, a, b } = CAST[family]
    const bench = new Bench()
    const key = { family, protocol: 'udp', address: vip, port: 53 } as const
    bench.add(key, [a, b])
    const ask = () => bench.client({ src: client, dst: vip, udp: { srcPort: 4000, dstPort: 53 } })
    t.match(ask()[0], `> ${a}.53`)
    bench.setWeight(key, a, 0)
    t.match(ask()[0], `> ${a}.53`, 'weight 0 keeps the flow where it is')
    const result = bench.kill({ filter: { service: key, server: { address: a, port: 53 } } })
    t.match(result, { connections: 1, sent: [] })
    t.strictSame(bench.list(), [])
    t.match(ask()[0], `> ${b}.53`)
  })

  t.test(`${family}: SCTP is aborted at once, by the tag of the client's packets`, async t => {
    const { vip, client, a } = CAST[family]
    const bench = new Bench()
    bench.add({ family, protocol: 'sctp', address: vip, port: 80 }, [a])
    const chunk = (type: number, tag: number) =>
      bench.client({
        ...{ src: client, dst: vip },
        sctp: { srcPort: 4000, dstPort: 80, tag, chunks: [{ type, value: new Uint8Array(16) }] },
      })
    chunk(1, 0)
    chunk(10, 0x1234abcd)
    const { sent } = bench.kill()
    t.match(sent[0], `${vip}.80 > ${client}.4000: sctp`)
    t.match(sent[0], /^client: .* tag 0x1234abcd ABORT/)
    t.match(sent[1], `${client}.4000 > ${a}.80: sctp`)
    t.match(sent[1], /^server: .* tag 0x1234abcd ABORT/)
    // RFC 9260 section 3.3.7: the T bit is the last of the chunk's flags.
    t.strictSame(
      bench.frames.map(frame => frame.at(-3)),
      [1, 0],
      'reflected to the client, its own to the server',
    )
    t.equal(chunk(0, 0x1234abcd).length, 2, 'whoever goes on is told again, and its peer')
  })
}

t.test('without a reset the connection is only forgotten', async t => {
  const { bench, from, connect, text } = setTcp('ipv4')
  connect()
  t.match(bench.kill({ reset: false }), { connections: 1, sent: [] })
  t.strictSame(bench.list(), [])
  t.match(from('.', 101, 501), [`client: ip ${text.vip} > ${text.client}: tcp R seq 501`])
})
