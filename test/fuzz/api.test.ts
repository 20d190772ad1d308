// A short run of `npm run fuzz -- api`: every operation a few times.
import t from 'tap'
import { seed } from '../server/fixtures/seed.js'
import { shown } from '../server/openapi/replay.js'
import { fuzzApi } from './api.js'

t.test('hostile requests are refused, and change nothing', async t => {
  const count = 12 * shown.length
  const report = await fuzzApi(seed(t), requests => requests >= count)
  t.equal(report.operations.size, shown.length, 'every operation')
  const statuses = [...report.statuses.keys()]
  t.ok(
    statuses.some(status => status < 300),
    'some are taken',
  )
  t.ok(statuses.includes(400) && statuses.includes(404), `most are not: ${statuses.join(' ')}`)
})
