// `sluice token` without an appliance: what people type, and what they read when it is wrong.
import t from 'tap'
import { findApi } from '../../cli/find-api.js'
import { readExpiry, tableOf } from '../../cli/token.js'

t.test('when a token ends', async t => {
  const now = Date.UTC(2030, 0, 1)
  t.equal(readExpiry('30m', now), '2030-01-01T00:30:00.000Z')
  t.equal(readExpiry('12h', now), '2030-01-01T12:00:00.000Z')
  t.equal(readExpiry('90d', now), '2030-04-01T00:00:00.000Z')
  t.equal(readExpiry('1w', now), '2030-01-08T00:00:00.000Z')
  t.equal(readExpiry('2031-01-01T00:00:00+01:00', now), '2030-12-31T23:00:00.000Z')
  for (const text of ['', '90', 'd', '90 d', '-1d', 'tomorrow', '2031', '2031-13-01T00:00:00Z'])
    t.throws(() => readExpiry(text, now), /--expires/, `'${text}'`)
})

t.test('a table for people', async t => {
  const token = {
    ...{ name: 'ci', scope: 'write' as const, createdAt: '2030-01-01T00:00:00.000Z' },
    ...{ createdBy: 'x', expiresAt: null, lastUsedAt: null, lastUsedFrom: null },
  }
  const used = { name: 'long-name', lastUsedAt: '2030-01-02T03:04:05.000Z', lastUsedFrom: '::1' }
  t.equal(
    tableOf([token, { ...token, ...used }]),
    [
      'NAME       SCOPE  CREATED              EXPIRES  LAST USED',
      'ci         write  2030-01-01T00:00:00  never    never',
      'long-name  write  2030-01-01T00:00:00  never    2030-01-02T03:04:05 ::1',
    ].join('\n'),
  )
})

t.test('which API a command talks to', async t => {
  const having = (path: string) => (each: string) => each === path
  const none = () => false
  t.equal(
    findApi({ SLUICE_API: 'https://lb' }, () => true),
    'https://lb',
  )
  t.equal(findApi({}, none), 'http://127.0.0.1:7480')
  t.equal(
    findApi({ SLUICE_API: '' }, having(`${process.cwd()}/sluice.db.sock`)),
    `unix:${process.cwd()}/sluice.db.sock`,
  )
  const database = { SLUICE_DATABASE: '/srv/lb.db' }
  t.equal(findApi(database, having('/srv/lb.db.sock')), 'unix:/srv/lb.db.sock')
  t.equal(
    findApi({ ...database, SLUICE_ADMIN_SOCKET: '/run/a' }, () => true),
    'unix:/run/a',
  )
  t.equal(
    findApi({ SLUICE_ADMIN_SOCKET: 'off' }, having('/var/lib/sluice/sluice.db.sock')),
    'unix:/var/lib/sluice/sluice.db.sock',
  )
})
