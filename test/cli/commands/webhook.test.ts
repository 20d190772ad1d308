import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { Receiver } from '../../server/webhooks/receiver.js'
import { openTerminal } from './terminal.js'

t.test('put, get, test, delete', async t => {
  const { run } = await openTerminal(t)
  const to = await Receiver.open()
  t.teardown(() => to.close())
  const secret = join(t.testdir({}), 'secret')
  writeFileSync(secret, 'correct-horse\n')
  const put = ['webhook', 'put', 'pager', '--url', to.url]
  t.match(await run([...put, '--secret-file', secret]), { exit: 0, out: 'webhooks/pager stored\n' })
  const [head, row] = (await run(['get', 'webhooks'])).out.split('\n')
  t.match(head, /^NAME +TARGET +EVENTS +STATE +QUEUED +FAILED +DROPPED +LAST SUCCESS$/)
  t.match(row, /^pager +http:\S+ +state +new +0 +0 +0 +never$/)
  t.match(await run(['webhook', 'test', 'pager']), {
    ...{ exit: 0, out: /^delivered after \d+ ms: Answered 204\.\n$/ },
  })
  t.match(to.got[0]!.headers, { 'sluice-signature': /^v1=/, 'sluice-event': 'webhook.test' })
  const more = [
    '--event',
    'change',
    '--event',
    'denial',
    '--timeout',
    '3',
    '--attempts',
    '2',
    '--off',
  ]
  t.equal((await run([...put, ...more])).exit, 0)
  const wanted = {
    ...{ name: 'pager', url: to.url, events: ['change', 'denial'], enabled: false, signed: true },
    ...{ timeoutSeconds: 3, maxAttempts: 2 },
  }
  t.match(parse((await run(['get', 'webhooks', 'pager', '-o', 'yaml'])).out), wanted)
  t.match(JSON.parse((await run(['get', 'hooks', '-o', 'json'])).out), { items: [wanted] })
  t.match((await run(['get', 'webhooks', '-o', 'wide'])).out, /^pager .* off .* yes /m)
  t.equal((await run([...put, '--secret-file', '-'], { stdin: 'staple-battery\n' })).exit, 0)
  t.match(await run(['delete', 'webhook', 'pager']), { exit: 0, out: 'webhooks/pager deleted\n' })
  t.equal((await run(['delete', 'webhook', 'pager'])).exit, 3)
  t.equal((await run(['delete', 'webhook', 'pager', '--missing-ok'])).exit, 0)
  t.equal((await run(['get', 'webhooks', '-o', 'name'])).out, '')
})

t.test('what fails says so', async t => {
  const { run } = await openTerminal(t)
  const gone = createServer()
  await new Promise<void>(resolve => gone.listen(0, '127.0.0.1', resolve))
  const { port } = gone.address() as AddressInfo
  await new Promise(resolve => gone.close(resolve))
  const put = ['webhook', 'put', 'pager']
  const url = `http://127.0.0.1:${port}/`
  t.equal((await run([...put, '--url', url])).exit, 0)
  t.match(await run(['webhook', 'test', 'pager']), {
    exit: 1,
    out: /^not delivered .*ECONNREFUSED/,
  })
  t.match(JSON.parse((await run(['webhook', 'test', 'pager', '-o', 'json'])).out), {
    ...{ delivered: false, event: { type: 'webhook.test' } },
  })
  t.match(await run(['webhook', 'test', 'nobody']), { exit: 3, err: /WEBHOOK_NOT_FOUND/ })
  t.match(await run(put), { exit: 7, err: /either a url or a command/ })
  t.match(await run([...put, '--url', url, '--command', 'x']), { exit: 2, err: /--command/ })
  t.match(await run([...put, '--url', url, '--attempts', 'many']), { exit: 7, err: /maxAttempts/ })
  const missing = ['--secret-file', '/nonexistent']
  t.match(await run([...put, '--url', url, ...missing]), { exit: 2, err: /--secret-file: ENOENT/ })
  t.match(await run([...put, '--url', url, '--ca', '/nonexistent']), {
    exit: 2,
    err: /--ca: ENOENT/,
  })
})
