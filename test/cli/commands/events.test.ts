import t from 'tap'
import { readEvents } from '../../../cli/client/event-stream.js'
import { web } from '../../server/fixtures/appliance.js'
import { openTerminal } from './terminal.js'

t.test('what happened, and what happens', async t => {
  const { appliance, run } = await openTerminal(t)
  await appliance.send('PUT', '/v1/virtual-services/web', web)
  const past = await run(['events', '--type', 'realServer'])
  t.match(past, { exit: 0, out: /^\d+ {2}20\S+ {2}realServer\.created {2}web\/a {2}by anyone\n/ })
  t.equal(past.out.split('\n').length, 3)
  const [, last] = /^(\d+) .*web\/b/m.exec(past.out)!
  t.equal((await run(['events', '--type', 'realServer', '--since', last!])).out, '')
  const stop = new AbortController()
  let told = 0
  const seen = (out: string) => {
    const lines = out.split('\n').length - 1
    if (lines <= told) return
    told = lines
    if (lines === 2)
      void appliance.send('PATCH', '/v1/virtual-services/web/real-servers/a', { weight: 9 })
    // A stream that ends is asked for again, after what was read last.
    if (lines === 3) {
      appliance.app.server.closeAllConnections()
      void appliance.send('DELETE', '/v1/virtual-services/web/real-servers/b')
    }
    if (lines === 4) stop.abort()
  }
  const args = ['events', '--follow', '--type', 'realServer', '--since', '0']
  const { out, exit } = await run(args, { stopped: stop.signal, seen })
  t.equal(exit, 0)
  t.match(
    out,
    /realServer\.updated {2}web\/a {2}by anyone: .*weight 2 → 9[^]*realServer\.deleted {2}web\/b/,
  )
  const [line] = (await run(['events', '--type', 'realServer', '-o', 'json'])).out.split('\n')
  t.match(JSON.parse(line!), { type: 'realServer.created', before: null, after: { weight: 2 } })
  t.match(await run(['events', '--since', 'yesterday']), { exit: 2, err: /--since/ })
  t.match(await run(['get', 'events', '--filter', 'type=realServer', '-o', 'name']), { exit: 0 })
  t.match(
    (await run(['get', 'audit-log', '--filter', 'kind=realServer'])).out,
    /realServer\.updated +web\/a +done +anyone/,
  )
})

t.test('another database under the same address: told, and gone on with', async t => {
  const { appliance, run } = await openTerminal(t)
  await appliance.send('PUT', '/v1/virtual-services/web', web)
  const stop = new AbortController()
  let step = 0
  const seen = (out: string) => {
    if (step === 0 && out.includes('realServer.created')) {
      step = 1
      // As after an older copy was put in place: what was read is not there yet.
      appliance.database.exec("UPDATE sqlite_sequence SET seq = 1 WHERE name = 'journal'")
      appliance.database.exec('DELETE FROM journal WHERE id > 1')
      appliance.access.journal.happening([])
      appliance.app.server.closeAllConnections()
    }
    if (step === 1 && /virtualService\.created[^]*virtualService\.created/.test(out)) stop.abort()
  }
  const args = ['events', '--follow', '--since', '0']
  const { err, exit } = await run(args, { stopped: stop.signal, seen })
  t.equal(exit, 0)
  t.match(err, /There is no such event yet \(EVENTS_REWOUND\)[^]*going on with the newest/)
  t.match(await run(['events', '--since', '4000000000']), { exit: 3, err: /EVENTS_REWOUND/ })
})

t.test('a stream in pieces, as the standard shows it', async t => {
  const read = async (...pieces: string[]) => {
    const body = new Blob(pieces).stream()
    const found = []
    for await (const each of readEvents(body)) found.push(each)
    return found
  }
  // Examples of the HTML standard, 9.2.6.
  t.strictSame(await read('data: YHOO\ndata: +2\nda', 'ta: 10\n\n'), [
    { id: '', data: 'YHOO\n+2\n10' },
  ])
  t.strictSame(await read(': test stream\n\ndata: first event\nid: 1\n\n'), [
    { id: '1', data: 'first event' },
  ])
  t.strictSame(await read('data\n\ndata\ndata\n\ndata:'), [
    { id: '', data: '' },
    { id: '', data: '\n' },
  ])
  t.strictSame(
    await read('data:test\r\n\r\ndata: test\r\n\r\n').then(all => all.map(({ data }) => data)),
    ['test', 'test'],
  )
})
