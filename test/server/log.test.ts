import t from 'tap'
import { buildApp } from '../../server/app.js'
import { followLevelSignal, openLog } from '../../server/log.js'
import { LogLimit } from '../../server/log-limit.js'
import { startAppliance, web } from './fixtures/appliance.js'

interface Line {
  level: number
  msg: string
  requestId?: string
  left?: number
  of?: string
}

function open(perSecond = 1000) {
  let nowMs = 0
  const texts: string[] = []
  const limit = new LogLimit(perSecond, () => nowMs)
  const log = openLog('info', { write: line => void texts.push(line), limit })
  const lines = () => texts.splice(0).map(text => JSON.parse(text) as Line)
  return { ...log, lines, texts, pass: (ms: number) => void (nowMs += ms) }
}

t.test('equal lines beyond so many a second are counted', async t => {
  const { logger, summarise, lines, pass, close } = open(3)
  t.teardown(close)
  for (let i = 0; i < 10; i++) logger.info({ i }, 'again')
  logger.warn('again')
  logger.info('other')
  t.strictSame(
    lines().map(({ level, msg }) => `${level} ${msg}`),
    ['30 again', '30 again', '30 again', '40 again', '30 other'],
  )
  summarise()
  t.match(lines(), [{ level: 30, msg: 'equal lines were left out', left: 7, of: 'again' }])
  summarise()
  t.strictSame(lines(), [], 'told once')
  pass(1000)
  logger.child({ worker: 1 }).info('again')
  t.equal(lines().length, 1, 'a second later there is room again, for children too')
  for (let i = 0; i < 5; i++) logger.fatal('the end')
  t.equal(lines().length, 5, 'the worst is never left out')
})

t.test('no secrets', async t => {
  const { logger, texts, close } = open()
  t.teardown(close)
  const token = `sluice_${'a'.repeat(43)}`
  logger.info({ token, secret: token, request: { headers: { authorization: token } } }, 'x')
  logger.info({ path: `/v1/x?token=${token}` }, `with ${token} in it`)
  logger.info({ webhook: { secret: 'hunter2' } }, 'x')
  t.notMatch(texts.join(''), token)
  t.notMatch(texts.join(''), 'hunter2')
  t.equal(texts.length, 3)
})

t.test('one line a request, with its id in all lines that belong to it', async t => {
  const { logger, lines, close } = open()
  const a = await startAppliance()
  const app = buildApp({ control: a.control, access: a.access, logger })
  t.teardown(async () => {
    close()
    await app.close()
    await a.close()
  })
  const ask = (method: 'GET' | 'PUT', url: string, id: string, payload?: object) =>
    app.inject({
      ...{ method, url, remoteAddress: '192.0.2.1', headers: { 'x-request-id': id } },
      ...(payload === undefined ? {} : { payload }),
    })
  await ask('PUT', '/v1/virtual-services/web', 'one', web)
  t.match(lines(), [
    {
      ...{ msg: 'request', requestId: 'one', method: 'PUT', path: '/v1/virtual-services/web' },
      ...{ status: 201, actor: 'anyone', address: '192.0.2.1', tookMs: Number },
    },
  ])
  await ask('GET', '/v1/virtual-services/none', 'two')
  t.match(lines(), [{ requestId: 'two', status: 404, code: 'SERVICE_NOT_FOUND' }])
  await ask('GET', '/healthz', 'three')
  t.strictSame(lines(), [], 'not of probes')
})

t.test('SIGUSR2 turns the level up and back', async t => {
  const { logger, lines, close } = open()
  t.teardown(close)
  const undo = followLevelSignal(logger, 'info')
  t.teardown(undo)
  process.emit('SIGUSR2')
  logger.debug('details')
  process.emit('SIGUSR2')
  logger.debug('no details')
  t.strictSame(
    lines().map(({ msg }) => msg),
    ['SIGUSR2: another level is logged', 'details', 'SIGUSR2: another level is logged'],
  )
})
