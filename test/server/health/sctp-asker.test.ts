// SCTP checks against an endpoint that scapy plays, and against what nobody should believe.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { openRawSocket, type RawHandle } from '../../../server/host/raw-library.js'
import { RawSctpAsker, type SctpOrder } from '../../../server/health/sctp-asker.js'
import { abortPacket, initPacket, quotedInit, readSctp } from '../../../server/health/sctp-init.js'
import type { PingFailure } from '../../../server/health/pinger.js'
import { check } from '../../fixtures/health/checks.js'
import { probe } from '../../fixtures/health/probe.js'
import { Namespace, veth } from '../../fixtures/netns.js'
import { seeded } from '../../fixtures/random.js'
import { scapy } from '../../fixtures/scapy.js'

const TAG = 0x89abcdef
const PORTS = { sourcePort: 50_000, port: 2905 }
const PEER = fileURLToPath(new URL('../../fixtures/health/sctp-peer.py', import.meta.url))

t.test('what we send is what scapy reads', async t => {
  const given = [initPacket(PORTS, TAG, 7), abortPacket(PORTS, 0xfffffffe)]
  const read = scapy(
    `
def of(octets):
    packet = SCTP(octets)
    again = packet.copy()
    del again.chksum
    chunk = packet.payload
    fields = {k: v for k, v in chunk.fields.items() if isinstance(v, int)}
    return [packet.sport, packet.dport, packet.tag, bytes(again) == octets, type(chunk).__name__, fields]
answer([of(bytes.fromhex(each)) for each in given])`,
    given.map(each => each.toString('hex')),
  )
  t.match(read, [
    [
      ...[50_000, 2905, 0, true, 'SCTPChunkInit'],
      {
        init_tag: TAG,
        a_rwnd: 65_535,
        n_out_streams: 10,
        n_in_streams: 65_535,
        init_tsn: 7,
        len: 20,
      },
    ],
    [50_000, 2905, 0xfffffffe, true, 'SCTPChunkAbort', { TCB: 0, len: 4 }],
  ])
})

t.test('what scapy builds is what we read, whole or not at all', async t => {
  const built = scapy(
    `
head = dict(sport=2905, dport=50000, tag=given)
cookie = [SCTPChunkParamStateCookie(cookie=b'12345')]
ack = dict(init_tag=5, a_rwnd=9, n_out_streams=1, n_in_streams=1, init_tsn=1)
chunks = [
    SCTPChunkInitAck(params=cookie, **ack),
    SCTPChunkInitAck(params=[SCTPChunkParamSupportedAddrTypes()] + cookie, **ack),
    SCTPChunkInitAck(params=[], **ack),
    SCTPChunkInitAck(params=cookie, **{**ack, 'init_tag': 0}),
    SCTPChunkInitAck(params=cookie, **{**ack, 'n_in_streams': 0}),
    SCTPChunkAbort(),
    SCTPChunkAbort(error_causes=bytes.fromhex('0003000800000000')),
    SCTPChunkAbort(TCB=1),
    SCTPChunkHeartbeatReq(),
]
answer([bytes(SCTP(**head)/chunk).hex() for chunk in chunks])`,
    TAG,
  ) as string[]
  const packets = built.map(hex => Buffer.from(hex, 'hex'))
  t.strictSame(
    packets.map(packet => readSctp(packet)?.answer),
    [
      { kind: 'initAck', peerTag: 5 },
      { kind: 'initAck', peerTag: 5 },
      { kind: 'strange', what: 'an INIT ACK without state cookie' },
      { kind: 'strange', what: 'an INIT ACK without tag or streams' },
      { kind: 'strange', what: 'an INIT ACK without tag or streams' },
      { kind: 'abort', causes: [] },
      { kind: 'abort', causes: [3] },
      { kind: 'strange', what: 'an ABORT with a reflected tag' },
      { kind: 'strange', what: 'a chunk of type 4' },
    ],
  )
  const [good] = packets as [Buffer]
  t.match(readSctp(good), { sourcePort: 2905, port: 50_000, tag: TAG })
  for (let octets = 0; octets < good.length; octets++)
    t.equal(readSctp(good.subarray(0, octets)), null, `${octets} octets of it`)
  const offloaded = Buffer.from(good)
  offloaded.writeUInt32LE(0, 8)
  t.match(readSctp(offloaded), { answer: { kind: 'initAck' } }, 'left to a network card')
})

t.test('errors count only with the tag of the INIT that they quote', async t => {
  const init = initPacket(PORTS, TAG, 7)
  t.strictSame(quotedInit(init), { ...PORTS, tag: TAG })
  t.equal(quotedInit(init.subarray(0, 19)), null)
  t.equal(quotedInit(abortPacket(PORTS, TAG)), null)
})

t.test('noise is read without harm', async t => {
  const random = seeded(t)
  const { asker, ask, deliver } = fakeAsker()
  const answers: PingFailure[] = []
  ask(answers)
  const init = initPacket(PORTS, TAG, 7)
  for (let i = 0; i < 20_000; i++) {
    const noise = Buffer.from(init)
    for (let j = 0; j < 4; j++) noise[random(noise.length)] = random(256)
    const cut = noise.subarray(0, random(noise.length + 1))
    readSctp(cut)
    quotedInit(cut)
    const header = Buffer.alloc(20, random(256))
    if (i % 2 === 0) header.set([0x45, 0, 0, 0, 0, 0, 0, 0, 64, i % 4 === 0 ? 132 : 1])
    deliver(i % 4 === 0 ? 132 : 1, Buffer.concat([header, cut]))
  }
  t.strictSame(answers, [])
  asker.close()
})

for (const family of [4, 6] as const)
  t.test(`an endpoint in user space, IPv${family}`, async t => {
    const { here, there, peer } = stage(t)
    const [mine, other, target] =
      family === 4
        ? ['10.77.0.1', '10.77.0.9', '10.77.0.2']
        : ['fd00:77::1', 'fd00:77::9', 'fd00:77::2']
    const asker = new RawSctpAsker((protocol, of) => here.enter(() => openRawSocket(protocol, of)))
    t.teardown(() => asker.close())
    const run = (port: number, changes = {}) =>
      probe(
        check('sctp', { timeoutMs: 60_000, ...changes }),
        { address: target, port },
        { sctpAsker: asker },
      )
    t.match(await run(2905), { reason: 'refused', detail: /no SCTP/ }, 'a kernel without SCTP')
    const told = await peer(there)
    t.match(await run(2905), {
      outcome: 'success',
      transcript: [{ step: 'target' }, { step: 'send' }, { step: 'receive' }, { step: 'judge' }],
    })
    t.match(await told(), { from: mine, port: 2905, tag: 0, kind: 'SCTPChunkInit' })
    t.match(await told(), { from: mine, port: 2905, tag: 0xc0ffee01, kind: 'SCTPChunkAbort' })
    t.match(await run(2905, { sourceAddress: other }), { outcome: 'success' })
    t.match(await told(), { from: other, kind: 'SCTPChunkInit' })
    t.match(await told(), { from: other, tag: 0xc0ffee01, kind: 'SCTPChunkAbort' })
    const aborted = { reason: 'refused', detail: /answers with ABORT \(error cause 3\)\.$/ }
    t.match(await run(2906), aborted)
    t.match(await run(2908), { reason: 'protocol', detail: /state cookie/ })
    for (const port of [2907, 2909]) {
      const silent = await run(port, { timeoutMs: 500 })
      t.match(silent, { reason: 'timeout', detail: /while waiting for an INIT ACK/ }, `${port}`)
    }
    const many = await Promise.all(Array.from({ length: 50 }, () => run(2905)))
    t.ok(
      many.every(({ outcome }) => outcome === 'success'),
      'all at once',
    )
    here.ip(
      family === 4 ? 'route add unreachable 10.99.0.0/16' : 'route add unreachable fd00:99::/32',
    )
    const away = family === 4 ? '10.99.0.1' : 'fd00:99::1'
    const lost = await probe(check('sctp'), { address: away, port: 1 }, { sctpAsker: asker })
    t.match(lost, { reason: 'unreachable', detail: 'There is no route to the target.' })
  })

t.test('a router that says that there is no host', async t => {
  const { here, there } = stage(t)
  here.ip('route add 10.99.0.0/16 via 10.77.0.2')
  here.ip('route add fd00:99::/32 via fd00:77::2')
  there.sysctl('net/ipv4/ip_forward', '1')
  there.sysctl('net/ipv6/conf/all/forwarding', '1')
  there.ip('route add unreachable 10.99.0.0/16')
  there.ip('route add unreachable fd00:99::/32')
  const asker = new RawSctpAsker((protocol, of) => here.enter(() => openRawSocket(protocol, of)))
  t.teardown(() => asker.close())
  for (const address of ['10.99.0.1', 'fd00:99::1'])
    t.match(
      await probe(check('sctp', { timeoutMs: 60_000 }), { address, port: 9 }, { sctpAsker: asker }),
      { reason: 'unreachable', detail: /reports that the host is unreachable/ },
      address,
    )
})

/** Two namespaces with a wire, and a way to start the endpoint of scapy's in one. */
function stage(t: Test) {
  const here = new Namespace('here')
  const there = new Namespace('there')
  t.teardown(() => [here, there].forEach(ns => ns.remove()))
  veth({ ns: here, name: 'w' }, { ns: there, name: 'w' })
  for (const [ns, ...hosts] of [[here, 1, 9] as const, [there, 2] as const])
    for (const host of hosts) {
      ns.ip(`address add 10.77.0.${host}/24 dev w`)
      ns.ip(`address add fd00:77::${host}/64 dev w${host === 9 ? ' preferred_lft 0' : ''}`)
    }
  const peer = async (ns: Namespace) => {
    const args = ['netns', 'exec', ns.name, '/usr/bin/python3', PEER]
    const child = spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'] })
    t.teardown(() => {
      const ended = new Promise(resolve => child.once('exit', resolve))
      child.kill()
      return ended
    })
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const told = async () => JSON.parse((await lines.next()).value as string) as unknown
    t.equal(await told(), 'ready')
    return told
  }
  return { here, there, peer }
}

/** An asker without a kernel, and a way to give it messages. */
function fakeAsker() {
  const ready = new Map<number, () => void>()
  const inbox: Buffer[] = []
  const open = (protocol: number): RawHandle => ({
    on: (event: string, listener: (error: Error) => void) => {
      if (event === 'recvReady') ready.set(protocol, listener as () => void)
    },
    recv(buffer, callback) {
      const octets = inbox.shift()
      if (octets === undefined) throw new Error('Resource temporarily unavailable')
      octets.copy(buffer)
      callback(buffer, octets.length, '10.0.0.1')
    },
    send: (_buffer, _at, _octets, _to, callback) => callback(),
    setOption: () => undefined,
    close: () => undefined,
  })
  const asker = new RawSctpAsker(open)
  const order: SctpOrder = {
    ...{ address: '10.0.0.1', port: PORTS.port },
    ...{ sourceAddress: null, sourcePort: PORTS.sourcePort },
  }
  const ask = (answers: PingFailure[]) => asker.ask(order, answer => answers.push(answer))
  const deliver = (protocol: number, octets: Buffer) => {
    inbox.push(octets)
    ready.get(protocol)!()
  }
  return { asker, ask, deliver }
}
