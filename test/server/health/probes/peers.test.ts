// Peers on loopback that answer rightly, wrongly, slowly, without end or not at all.
import { createSocket, type Socket as Datagrams } from 'node:dgram'
import { chmodSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { RawPinger } from '../../../../server/health/pinger.js'
import { check } from '../../../fixtures/health/checks.js'
import { probe } from '../../../fixtures/health/probe.js'

const OK = { outcome: 'success', reason: null } as const

t.test('HTTP: hostile servers', async t => {
  const endless = (head: string, piece: string) => (socket: Socket) => {
    socket.write(head)
    const more = () => {
      while (socket.writable && socket.write(piece));
    }
    socket.on('drain', more)
    more()
  }
  const drip = (socket: Socket) => {
    socket.write('HTTP/1.1 200 OK\r\nA: ')
    const timer = setInterval(() => socket.write('a'), 20)
    socket.on('close', () => clearInterval(timer))
  }
  const match = { kind: 'text' as const, text: 'never' }
  const http = check('http', { match, timeoutMs: 10_000 })
  const page = 'HTTP/1.1 200 OK\r\n\r\n'
  const headers = await tcp(t, endless('HTTP/1.1 200 OK\r\n', 'A: b\r\n'.repeat(100)))
  t.match(await probe(http, headers), { reason: 'oversize', detail: /headers are longer than/ })
  const body = await tcp(t, endless(page, 'x'.repeat(10_000)))
  t.match(await probe(http, body), { reason: 'mismatch', detail: /65536 octets of the body that/ })
  const slow = await tcp(t, drip)
  const { durationMs, ...dripped } = await probe({ ...http, timeoutMs: 300 }, slow)
  t.match(dripped, { reason: 'timeout', detail: /within 300 ms, while waiting for the answer/ })
  t.ok(durationMs >= 290, 'the deadline is of the whole run, each octet notwithstanding')
  const silent = await tcp(t, () => undefined)
  t.match(await probe({ ...http, timeoutMs: 100 }, silent), { reason: 'timeout' })
  const banner = await tcp(t, socket => socket.write('SSH-2.0-OpenSSH_9.2\r\n'))
  t.match(await probe(http, banner), { reason: 'protocol' })
  t.match(await probe(check('https'), banner), {
    reason: 'tls',
    detail: 'The peer does not speak TLS.',
  })
  const closing = await tcp(t, socket => socket.end())
  t.match(await probe(http, closing), { reason: 'closed' })
  const resetting = await tcp(t, socket => socket.once('data', () => socket.resetAndDestroy()))
  t.match(await probe(http, resetting), {
    reason: 'closed',
    detail: 'The peer reset the connection.',
  })
  t.match(await probe(check('https', { timeoutMs: 300 }), silent), {
    reason: 'timeout',
    detail: /while waiting for the TLS handshake/,
  })
})

t.test('SMTP', async t => {
  const server = (replies: Record<string, string>) => (socket: Socket) => {
    socket.write(replies['']!)
    socket.on('data', line => {
      const [verb = ''] = line.toString().split(/\s/)
      socket.write(replies[verb] ?? '500 what?\r\n')
    })
  }
  const good = {
    '': '220-mail.example\r\n220 ready\r\n',
    EHLO: '250-mail.example\r\n250-SIZE 1000\r\n250 HELP\r\n',
    HELO: '250 mail.example\r\n',
    QUIT: '221 bye\r\n',
  }
  const to = await tcp(t, server(good))
  t.match(await probe(check('smtp'), to), OK)
  const { transcript } = await probe(check('smtp', { verb: 'HELO' }), to)
  const sent = transcript.filter(({ step }) => step === 'send').map(({ excerpt }) => excerpt)
  t.strictSame(sent, ['HELO balancer.example\\r\\n', 'QUIT\\r\\n'])
  const busy = await tcp(t, server({ ...good, '': '421 too busy\r\n' }))
  t.match(await probe(check('smtp'), busy), { reason: 'status', detail: /421, not 220: too busy/ })
  const other = await tcp(t, server({ ...good, '': 'HTTP/1.1 400\r\n' }))
  t.match(await probe(check('smtp'), other), { reason: 'protocol' })
  const long = await tcp(t, server({ ...good, EHLO: '250-x\r\n'.repeat(1000) }))
  t.match(await probe(check('smtp'), long), { reason: 'oversize' })
})

t.test('UDP', async t => {
  const ping = { kind: 'text' as const, text: 'pong' }
  const udpCheck = (changes = {}) => check('udp', { match: ping, timeoutMs: 5000, ...changes })
  const peer = await udp(t, (octets, answer) =>
    answer(octets.toString() === 'ping' ? 'pong!' : 'eh'),
  )
  t.match(await probe(udpCheck(), peer), OK)
  t.match(await probe(udpCheck({ sendHex: '00' }), peer), { reason: 'mismatch' })
  t.match(await probe(udpCheck({ match: null }), peer), OK)
  const silent = await udp(t, () => undefined)
  t.match(await probe(udpCheck({ timeoutMs: 100 }), silent), { reason: 'timeout' })
  t.match(await probe(udpCheck({ timeoutMs: 100, replyRequired: false }), silent), OK)
  const gone = createSocket('udp4')
  const { port } = await bound(gone)
  gone.close()
  t.match(await probe(udpCheck({ replyRequired: false }), { port }), {
    reason: 'refused',
    detail: 'The port is unreachable (ICMP).',
  })
})

t.test('DNS', async t => {
  // RFC 1035 section 4.1 by hand: the question as it came, then A 192.0.2.7 under a pointer to it.
  const answerTo = (query: Buffer, flags: number, records: string) => {
    const header = Buffer.from(query.subarray(0, 12))
    header.writeUInt16BE(flags, 2)
    header.writeUInt16BE(records === '' ? 0 : 1, 6)
    return Buffer.concat([header, query.subarray(12), Buffer.from(records, 'hex')])
  }
  const A = 'c00c000100010000003c0004c0000207'
  const peer = await udp(t, (query, answer) => answer(answerTo(query, 0x8180, A)))
  const dns = (changes = {}) => check('dns', { timeoutMs: 5000, ...changes })
  t.match(await probe(dns(), peer), OK)
  t.match(await probe(dns({ expectedAnswers: ['192.0.2.7'] }), peer), OK)
  t.match(await probe(dns({ expectedAnswers: ['192.0.2.8'] }), peer), {
    reason: 'mismatch',
    detail: '192.0.2.8 is not among the answers: 192.0.2.7.',
  })
  t.match(await probe(dns({ expectedRcode: 'NXDOMAIN' }), peer), { reason: 'status' })
  const missing = await udp(t, (query, answer) => answer(answerTo(query, 0x8183, '')))
  t.match(await probe(dns(), missing), { reason: 'status', detail: /NXDOMAIN, not NOERROR/ })
  t.match(await probe(dns({ expectedRcode: 'NXDOMAIN' }), missing), OK)
  const garbage = await udp(t, (_query, answer) => answer('no DNS at all'))
  t.match(await probe(dns(), garbage), { reason: 'protocol' })
  const circular = await udp(t, (query, answer) =>
    answer(Buffer.concat([query.subarray(0, 12), Buffer.from('c00cc00c', 'hex')])),
  )
  t.match(await probe(dns(), circular), { reason: 'protocol' }, 'a name that points to itself')
  const stranger = await udp(t, (query, answer) => {
    const other = Buffer.from(query)
    other.writeUInt16BE(query.readUInt16BE(0) ^ 1, 0)
    answer(answerTo(other, 0x8180, A))
  })
  t.match(
    await probe(dns({ timeoutMs: 100 }), stranger),
    { reason: 'timeout' },
    'another identifier',
  )
  const stream = await tcp(t, socket =>
    socket.on('data', octets => {
      const message = answerTo(octets.subarray(2), 0x8180, A)
      for (const octet of [message.length >> 8, message.length & 255, ...message])
        socket.write(Buffer.from([octet]))
    }),
  )
  t.match(await probe(dns({ transport: 'tcp', expectedAnswers: ['192.0.2.7'] }), stream), OK)
  const others = Buffer.from('000c00008180' + '00'.repeat(8), 'hex')
  const endless = await tcp(t, socket => {
    const more = () => {
      while (socket.writable && socket.write(others));
    }
    socket.on('drain', more)
    more()
  })
  t.match(
    await probe(dns({ transport: 'tcp' }), endless),
    { reason: 'oversize', detail: /too many answers/ },
    'answers to other questions, without end',
  )
  const second = await tcp(t, socket =>
    socket.on('data', octets => {
      const message = answerTo(octets.subarray(2), 0x8180, A)
      socket.write(Buffer.concat([others, Buffer.from([0, message.length]), message]))
    }),
  )
  t.match(await probe(dns({ transport: 'tcp' }), second), OK, 'what is not for us is passed over')
})

t.test('ICMP echo to the kernel', async t => {
  const pinger = new RawPinger()
  t.teardown(() => pinger.close())
  for (const address of ['127.0.0.1', '::1']) {
    const spec = check('icmp', { timeoutMs: 5000, payloadOctets: 1000 })
    t.match(await probe(spec, { address }, { pinger }), OK, address)
    const sourceAddress = address === '::1' ? '::1' : '127.0.0.5'
    t.match(await probe({ ...spec, sourceAddress }, { address }, { pinger }), OK, 'with a source')
  }
  const many = Array.from({ length: 200 }, () =>
    probe(check('icmp', { timeoutMs: 5000 }), { address: '127.0.0.1' }, { pinger }),
  )
  t.ok(
    (await Promise.all(many)).every(({ outcome }) => outcome === 'success'),
    'all at once',
  )
})

t.test('commands and files', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-checks-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const program = (name: string, script: string, mode = 0o755) => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`)
    chmodSync(join(folder, name), mode)
  }
  program('good', 'echo "$1 $SLUICE_SERVER $HOME"; exit 0')
  program('bad', 'echo out of order >&2; exit 3')
  program('hang', 'sleep 1000 & sleep 1000')
  program('noisy', 'head -c 1000000 /dev/zero; exit 0')
  program('open', 'exit 0', 0o777)
  program('plain', 'exit 0', 0o644)
  const run = (program: string, changes = {}) =>
    probe(check('command', { program, ...changes }), { port: 80 }, { commandFolder: folder })
  const words = { arguments: ['{address}:{port};id'] }
  t.match(await run('good', words), {
    ...OK,
    detail: 'good ended with status 0: 127.0.0.1:80;id a ',
  })
  t.match(await run('bad'), { reason: 'status', detail: 'bad ended with 3: out of order' })
  t.match(await run('hang', { timeoutMs: 200 }), { reason: 'timeout' })
  const noisy = await run('noisy')
  t.match(noisy, OK)
  t.ok(noisy.transcript.every(({ octets = 0 }) => octets <= 4096))
  for (const name of ['open', 'plain', 'none', '../bad', '/bin/true', ''])
    t.match(await run(name), { reason: 'unsupported' }, `'${name}'`)
  t.match(await probe(check('command'), {}), { reason: 'unsupported', detail: /No folder/ })

  const say = (text: string) => writeFileSync(join(folder, 'state'), text)
  const look = (changes = {}) => probe(check('file', changes), {}, { fileFolder: folder })
  t.match(await look(), { reason: 'mismatch', detail: /does not exist/ })
  say('up\n')
  t.match(await look(), OK)
  say('down for repairs')
  t.match(await look(), { reason: 'reported' })
  t.match(await look({ expect: 'exists' }), OK)
  say('\x1b[31m')
  t.match(await look(), { reason: 'mismatch', detail: /but \\x1b\[31m\.$/ })
  utimesSync(join(folder, 'state'), new Date(), new Date(Date.now() - 3_600_000))
  t.match(await look({ expect: 'exists', ageMaxS: 60 }), { reason: 'expired' })
  t.match(await look({ file: '../etc/passwd' }), { reason: 'unsupported' })
  t.match(await look({ file: 'missing', expect: 'exists' }), { reason: 'mismatch' })
})

function tcp(t: Test, serve: (socket: Socket) => void): Promise<{ port: number }> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket.on('error', () => undefined))
    serve(socket)
  })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return new Promise(resolve =>
    server.listen(0, '127.0.0.1', () => resolve({ port: (server.address() as AddressInfo).port })),
  )
}

function udp(
  t: Test,
  serve: (octets: Buffer, answer: (with_: string | Buffer) => void) => void,
): Promise<{ port: number }> {
  const socket = createSocket('udp4')
  t.teardown(() => void socket.close())
  socket.on('message', (octets, from) =>
    serve(octets, answer => socket.send(answer, from.port, from.address)),
  )
  return bound(socket)
}

const bound = (socket: Datagrams): Promise<{ port: number }> =>
  new Promise(resolve =>
    socket.bind(0, '127.0.0.1', () => resolve({ port: socket.address().port })),
  )
