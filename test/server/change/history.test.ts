import fc from 'fast-check'
import t from 'tap'
import { openDatabase } from '../../../server/db.js'
import { RevisionRepo } from '../../../server/repo/revisions.js'
import { startAppliance, web, type Appliance } from '../fixtures/appliance.js'
import { FakeHost } from '../fixtures/fake-host.js'
import { seed } from '../fixtures/seed.js'

const services = '/v1/virtual-services'
const last = fc.integer({ min: 1, max: 9 })
const labels = fc.dictionary(fc.constantFrom('a', 'b', 'constructor'), fc.string({ maxLength: 5 }))
const other = {
  address: last.map(n => `10.0.0.${n}`),
  weight: fc.nat(5),
  adminState: fc.constantFrom('enabled', 'draining', 'disabled'),
  labels,
}
const portless = { ...other, forwarding: fc.constantFrom('masq', 'dr', 'local') }
const ported = { ...other, port: fc.constantFrom(80, 8080) }
const server = fc.oneof(
  fc.record(portless, { requiredKeys: ['address'] }),
  fc.record(ported, { requiredKeys: ['address'] }),
)
/** By address, so that no two of them are the same endpoint. */
const servers = fc
  .uniqueArray(server, { selector: ({ address }) => address, maxLength: 4 })
  .map(list => Object.fromEntries(list.map((each, i) => [`s${i}`, each])))
const common = {
  scheduler: fc.constantFrom('rr', 'wrr', 'mh', 'lblc'),
  onePacket: fc.boolean(),
  realServers: servers,
  labels,
}
const named = fc
  .uniqueArray(fc.integer({ min: 1, max: 8 }), { maxLength: 6 })
  .chain(numbers =>
    fc.tuple(...numbers.map(n => serviceOf(n).map((each): [string, object] => [`v${n}`, each]))),
  )
  .map(pairs => Object.fromEntries(pairs))
/** The number makes the key, so that no two of them take the same packets. */
const serviceOf = (n: number): fc.Arbitrary<object> =>
  fc.oneof(
    fc.record({
      ...common,
      protocol: fc.constantFrom('tcp', 'udp', 'sctp'),
      ...{ address: fc.constant(`198.51.100.${n}`), port: fc.constantFrom(21, 80) },
      onePacket: fc.constant(false),
      persistence: fc.constantFrom({}, { timeoutSeconds: 5 }, { netmask: '255.255.255.0' }),
    }),
    fc
      .record({ ...common, protocol: fc.constant('udp'), address: fc.constant(`198.51.100.${n}`) })
      .map(each => ({ ...each, port: 53 })),
    fc
      .record({ ...common, fwmark: fc.constant(n), addressFamily: fc.constant('ipv4') })
      .map(each => ({ ...each, onePacket: false })),
  )
const rules = fc.dictionary(
  fc.constantFrom('x', 'y'),
  fc.record({ mark: last, addressFamily: fc.constant('ipv4') }),
)
const settings = fc.record(
  {
    sloppyTcp: fc.boolean(),
    timeouts: fc.record({ tcpSeconds: last }),
    ftpPorts: fc.constant([21]),
  },
  { requiredKeys: [] },
)
const whole = fc.record({ virtualServices: named, markRules: rules, settings })

const configOf = async (a: Appliance, query = ''): Promise<string> =>
  (await a.send('GET', `/v1/config${query}`)).body

t.test('any document: GET | PUT makes no revision and changes no byte', async t => {
  const property = fc.asyncProperty(whole, async document => {
    const a = await startAppliance()
    try {
      const made = await a.send('PUT', '/v1/config', document)
      if (made.statusCode !== 200) throw new Error(made.body)
      const before = await configOf(a)
      const revision = a.control.revision()
      for (const view of ['full', 'declared']) {
        const text = await configOf(a, `?view=${view}`)
        const again = await a.send('PUT', '/v1/config', text)
        if (again.statusCode !== 200) throw new Error(again.body)
        if (a.control.revision() !== revision) throw new Error(`${view}: another revision`)
        if (again.body !== before) throw new Error(`${view}: other bytes`)
      }
    } finally {
      await a.close()
    }
  })
  await fc.assert(property, { seed: seed(t), numRuns: 50 })
})

const change = fc.oneof(
  whole.map(body => ({ method: 'PUT', url: '/v1/config', body: body })),
  last.chain(n => serviceOf(n).map(body => ({ method: 'PUT', url: `${services}/v${n}`, body }))),
  last.map(n => ({ method: 'DELETE', url: `${services}/v${n}`, body: undefined })),
  fc
    .tuple(last, server)
    .map(([n, body]) => ({ method: 'PUT', url: `${services}/v${n}/real-servers/s0`, body })),
  settings.map(body => ({ method: 'PUT', url: '/v1/settings', body: body })),
)

t.test('any changes: a rollback to any revision makes the very same document', async t => {
  const property = fc.asyncProperty(
    fc.array(change, { minLength: 2, maxLength: 12 }),
    fc.nat(),
    async (changes, pick) => {
      const a = await startAppliance()
      try {
        const documents = new Map<number, string>()
        const orders = new Map<number, string>()
        for (const { method, url, body } of changes) {
          const answer = await a.send(method, url, body)
          if (answer.statusCode >= 500) throw new Error(answer.body)
          documents.set(a.control.revision(), await configOf(a))
          orders.set(a.control.revision(), orderOf(a))
        }
        const kept = [...documents.keys()].filter(revision => revision > 0)
        if (kept.length === 0) return
        for (const revision of kept) {
          const then = (await a.send('GET', `/v1/config/revisions/${revision}`)).body
          if (then !== documents.get(revision)) throw new Error(`${revision} is told otherwise`)
        }
        const revision = kept[pick % kept.length]!
        const back = await a.send('POST', '/v1/config/rollbacks', { revision })
        if (back.statusCode !== 200) throw new Error(back.body)
        if ((await configOf(a)) !== documents.get(revision)) throw new Error('not what it was')
        const [order, was] = [orderOf(a), orders.get(revision)]
        if (order !== was) throw new Error(`the order is ${order}, it was ${was}`)
        // What the host holds after all these differences is what it would be given at once.
        const fresh = await startAppliance()
        try {
          await fresh.send('PUT', '/v1/config', documents.get(revision))
          const [held, wanted] = [a.host, fresh.host].map(hostState)
          if (held !== wanted) throw new Error(`the host has ${held} instead of ${wanted}`)
        } finally {
          await fresh.close()
        }
      } finally {
        await a.close()
      }
    },
  )
  await fc.assert(property, { seed: seed(t), numRuns: 50 })
})

/** Real servers of every service, in the order in which the dataplane has them. */
const orderOf = ({ dataplane }: Appliance): string =>
  [...dataplane.services]
    .map(([key, { dests }]) => `${key}: ${[...dests.keys()].join(' ')}`)
    .sort()
    .join('; ')

t.test('what comes back by a rollback comes back to its place', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  const realServers = Object.fromEntries(
    ['a', 'b', 'c'].map((name, i) => [name, { address: `10.0.0.${i + 1}` }]),
  )
  await a.send('PUT', `${services}/web`, { ...web, realServers })
  const first = a.control.revision()
  const order = orderOf(a)
  await a.send('DELETE', `${services}/web/real-servers/a`)
  const without = a.control.revision()
  await a.send('PUT', `${services}/web/real-servers/a`, { address: '10.0.0.1' })
  t.not(orderOf(a), order, 'it is the newest')
  await a.send('POST', '/v1/config/rollbacks', { revision: first })
  t.equal(orderOf(a), order, 'though the document is the same')
  t.ok(a.control.revision() > without + 1)
  const revision = a.control.revision()
  await a.send('POST', '/v1/config/rollbacks', { revision: first })
  t.equal(a.control.revision(), revision, 'nothing is left to do')
  await a.send('DELETE', `${services}/web`)
  await a.send('POST', '/v1/config/rollbacks', { revision: first })
  t.equal(orderOf(a), order, 'with its service, too')
  const stored = a.control.state.service('web')!.servers
  t.strictSame(
    stored.map(({ name }) => name),
    ['a', 'b', 'c'],
  )
})

const hostState = (host: FakeHost): string =>
  JSON.stringify([
    [...host.held.values()].map(({ name, ftp }) => `${name} ${ftp}`).sort(),
    host.addresses(),
    host.guarded(),
  ])

t.test(
  'written together: each of them has an answer, a revision and a failure of its own',
  async t => {
    const host = new FakeHost()
    host.before = (call, desired) => {
      if (call === 'beforeApply' && desired.some(service => service.interface === 'eth9'))
        throw new Error('there is no eth9')
    }
    const property = fc.asyncProperty(
      fc.array(fc.constantFrom('valid', 'invalid', 'failing', 'stale'), {
        minLength: 1,
        maxLength: 24,
      }),
      async kinds => {
        const a = await startAppliance({
          host: Object.assign(new FakeHost(), { before: host.before }),
        })
        try {
          await a.send('PUT', `${services}/first`, web)
          const before = a.control.revision()
          // All are under way before the first is answered.
          const answers = await Promise.all(
            kinds.map((kind, i) => {
              const body = {
                ...{ ...web, port: kind === 'invalid' ? -1 : 1000 + i },
                ...(kind === 'failing' ? { interface: 'eth9' } : {}),
              }
              const headers: Record<string, string> = kind === 'stale' ? { 'if-match': '"x"' } : {}
              return a.send('PUT', `${services}/v${i}`, body, headers)
            }),
          )
          const expected = { valid: 201, invalid: 422, failing: 503, stale: 412 }
          for (const [i, kind] of kinds.entries())
            if (answers[i]!.statusCode !== expected[kind])
              throw new Error(`${kind}: ${answers[i]!.statusCode} ${answers[i]!.body}`)
          const made = answers.filter(({ statusCode }) => statusCode === 201)
          const revisions = made.map(({ headers }) => Number(headers['config-revision']))
          const wanted = made.map((_, i) => before + 1 + i)
          if (JSON.stringify(revisions.sort((x, y) => x - y)) !== JSON.stringify(wanted))
            throw new Error(`revisions ${revisions.join()} instead of ${wanted.join()}`)
          if (a.control.revision() !== before + made.length)
            throw new Error('a revision of nothing')
          if (a.dataplane.table().length === 0) throw new Error('nothing is in force')
          for (const [i, kind] of kinds.entries()) {
            const { statusCode } = await a.send('GET', `${services}/v${i}`)
            if (statusCode !== (kind === 'valid' ? 200 : 404))
              throw new Error(`${kind}: ${statusCode}`)
          }
        } finally {
          await a.close()
        }
      },
    )
    await fc.assert(property, { seed: seed(t), numRuns: 30 })
  },
)

t.test('what is kept of history: the newest, and what is gone is said to be gone', async t => {
  const database = openDatabase(':memory:')
  t.teardown(() => database.close())
  const repo = new RevisionRepo(database, 5)
  const first = repo.oldest()
  for (let revision = 1; revision <= 20; revision++) {
    const changes = [{ kind: 'settings', name: 'settings', before: {}, after: {} }] as const
    repo.insert({
      revision,
      at: '2030-01-01',
      actor: null,
      requestId: null,
      message: null,
      changes,
    })
    repo.prune()
    t.equal(repo.oldest(), Math.max(first, revision - 4))
  }
  t.strictSame(
    repo.page(Infinity, 100).map(({ revision }) => revision),
    [20, 19, 18, 17, 16],
  )
  const orphans = database
    .prepare('SELECT count(*) AS n FROM revision_change WHERE revision <= 15')
    .get() as { n: number }
  t.equal(orphans.n, 0, 'their changes went with them')
})

t.test('an Idempotency-Key outlives the process', async t => {
  const file = `${t.testdir()}/a.db`
  const once = { 'idempotency-key': 'k1' }
  const changes = [{ op: 'put', path: `${services}/web`, value: web }]
  const first = await startAppliance({ file })
  const made = await first.send('POST', '/v1/changesets', changes, once)
  t.equal(made.statusCode, 200, made.body)
  await first.send('DELETE', `${services}/web`)
  await first.close()
  const a = await startAppliance({ file })
  t.teardown(() => a.close())
  const again = await a.send('POST', '/v1/changesets', changes, once)
  t.equal(again.statusCode, 200, again.body)
  t.equal(again.headers['config-revision'], made.headers['config-revision'])
  t.equal((await a.send('GET', `${services}/web`)).statusCode, 404, 'it was not done again')
  const other = await a.send('POST', '/v1/changesets', [], once)
  t.match(other.json(), { code: 'IDEMPOTENCY_KEY_REUSED' })
})
