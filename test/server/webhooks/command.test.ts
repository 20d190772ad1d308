// Deliveries by programs: what they get, how they end, and which are not run.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { SYSTEM } from '../../../server/auth/actor.js'
import { openDatabase } from '../../../server/db.js'
import { Journal } from '../../../server/journal/journal.js'
import { Webhooks } from '../../../server/control/webhook-control.js'
import { until } from './receiver.js'

const BY = { actor: SYSTEM, requestId: null }

function setUp(t: Test, script: string) {
  const folder = t.testdir()
  chmodSync(folder, 0o755)
  writeFileSync(join(folder, 'page'), `#!/bin/sh\n${script}\n`)
  chmodSync(join(folder, 'page'), 0o755)
  const database = openDatabase(':memory:')
  const logger = pino({ level: 'silent' })
  const journal = new Journal({ database, logger })
  const webhooks = new Webhooks({ database, journal, logger, commandFolder: folder })
  webhooks.start()
  t.teardown(() => {
    webhooks.stop()
    journal.close()
    database.close()
  })
  return { folder, journal, webhooks }
}

t.test('a program gets type, name and state, and the event on its input', async t => {
  const { folder, journal, webhooks } = setUp(
    t,
    'd=$(dirname "$0"); printf "%s|" "$@" > "$d/args"; cat > "$d/stdin"; env > "$d/env"',
  )
  webhooks.put('pager', { command: 'page' }, BY)
  journal.record({
    ...{ type: 'realServer.statusChanged', class: 'state', kind: 'realServer' },
    ...{ name: 'web/$(id) a', after: { operatingStatus: 'ERROR' } },
  })
  await until(() => webhooks.get('pager').lastSuccessAt !== null)
  const read = (name: string) => readFileSync(join(folder, name), 'utf8')
  t.equal(read('args'), 'realServer.statusChanged|web/$(id) a|ERROR|')
  t.match(JSON.parse(read('stdin')), { name: 'web/$(id) a', type: 'realServer.statusChanged' })
  t.notMatch(read('env'), /HOME=/, 'an environment of our own')
})

t.test('a program that fails or hangs is a failure', async t => {
  const { webhooks } = setUp(t, 'echo no modem; exit 3')
  webhooks.put('pager', { command: 'page' }, BY)
  t.match(await webhooks.try('pager', BY), { delivered: false, detail: /^page ended with 3/ })
  const hung = setUp(t, 'sleep 600').webhooks
  hung.put('pager', { command: 'page', timeoutSeconds: 1 }, BY)
  t.match(await hung.try('pager', BY), { detail: 'page took longer than 1 s.' })
})

t.test('only what is in the folder is run', async t => {
  const { webhooks } = setUp(t, 'exit 0')
  for (const command of ['../page', '/bin/sh', 'none', ''])
    t.throws(() => webhooks.put('pager', { command }, BY), { code: 'VALIDATION_FAILED' }, command)
})
