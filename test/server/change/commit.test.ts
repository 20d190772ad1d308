import t from 'tap'
import type { Commit, CommitListener } from '../../../server/change/commit.js'
import { startAppliance, web } from '../fixtures/appliance.js'

const url = '/v1/virtual-services/web'

class Notes implements CommitListener {
  readonly stored: Commit[] = []
  readonly told: Commit[] = []
  fail = false

  committing(commit: Commit): void {
    if (this.fail) throw new Error('the journal is full')
    this.stored.push(commit)
  }

  committed(commits: readonly Commit[]): void {
    this.told.push(...commits)
  }
}

t.test('a listener hears of every revision, document by document', async t => {
  const notes = new Notes()
  const a = await startAppliance({ listeners: [notes] })
  t.teardown(() => a.close())
  const created = await a.send('PUT', url, web)
  const [first] = notes.told
  t.match(first, {
    revision: 1,
    at: /^2030-01-01T/,
    actor: { kind: 'anyone' },
    requestId: created.headers['x-request-id'],
    message: null,
  })
  t.strictSame(
    first!.changes.map(({ kind, name, before }) => [kind, name, before]),
    [
      ['virtualService', 'web', null],
      ['realServer', 'web/a', null],
      ['realServer', 'web/b', null],
    ],
  )

  await a.send('PATCH', `${url}/real-servers/a`, { weight: 7 })
  const [, second] = notes.told
  t.strictSame(second!.changes.length, 1)
  t.match(second!.changes[0], {
    kind: 'realServer',
    name: 'web/a',
    before: { weight: 2, address: '10.0.0.1' },
    after: { weight: 7, address: '10.0.0.1' },
  })

  await a.send('PATCH', `${url}/real-servers/a`, { weight: 7 })
  t.equal(notes.told.length, 2, 'what changes nothing is no revision')
  await a.send('PATCH', '/v1/settings', { sloppyTcp: true })
  await a.send('PUT', '/v1/mark-rules/all', { mark: 1, addressFamily: 'ipv4' })
  await a.send('DELETE', url)
  t.strictSame(
    notes.told.slice(2).map(({ revision, changes }) => [revision, changes.map(one => one.name)]),
    [
      [3, ['settings']],
      [4, ['all']],
      [5, ['web', 'web/a', 'web/b']],
    ],
  )
  t.strictSame(notes.stored, notes.told)
})

t.test('what a listener cannot write down does not happen', async t => {
  const notes = new Notes()
  const a = await startAppliance({ listeners: [notes] })
  t.teardown(() => a.close())
  await a.send('PUT', url, web)
  notes.fail = true
  const refused = await a.send('PATCH', url, { scheduler: 'rr' })
  t.match(refused.json(), { code: 'STORAGE_FAILED', detail: /the journal is full/ })
  t.match((await a.send('GET', url)).json(), { scheduler: 'wrr', meta: { revision: 1 } })
  t.equal(a.control.revision(), 1)
  t.equal(notes.told.length, 1)
})
