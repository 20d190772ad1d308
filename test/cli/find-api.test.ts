import t from 'tap'
import { findApi } from '../../cli/find-api.js'

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
