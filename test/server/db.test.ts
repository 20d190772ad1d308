import BetterSqlite from 'better-sqlite3'
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { SYSTEM } from '../../server/auth/actor.js'
import { DatabaseError, openDatabase, readMigrations } from '../../server/db.js'
import { ConfigurationRepo } from '../../server/repo/configuration.js'
import { startAppliance, web } from './fixtures/appliance.js'

const pragma = (database: BetterSqlite.Database, name: string): unknown =>
  database.pragma(name, { simple: true })

/** Names and contents of everything in a folder. */
const contents = (folder: string) =>
  readdirSync(folder).map(name => [name, readFileSync(`${folder}/${name}`).toString('base64')])

t.test('every open is durable, not only the first', async t => {
  const file = `${t.testdir()}/sluice.db`
  for (const time of ['first', 'second']) {
    const database = openDatabase(file)
    t.equal(pragma(database, 'journal_mode'), 'wal', time)
    t.equal(pragma(database, 'synchronous'), 2, `${time}: FULL, where the build has NORMAL`)
    t.equal(pragma(database, 'foreign_keys'), 1, time)
    t.equal(pragma(database, 'user_version'), readMigrations().length, time)
    database.close()
  }
})

t.test('everything survives a restart', async t => {
  const file = `${t.testdir()}/sluice.db`
  const first = await startAppliance({ file })
  const full = {
    ...web,
    protocol: 'udp',
    schedulerFlags: ['flag-1', 'flag-2'],
    persistence: { timeoutSeconds: 60, netmask: '255.255.255.0' },
    onePacket: true,
    interface: 'eth0',
    manageAddress: false,
    labels: { env: 'prod', é: 'x' },
    realServers: {
      b: { address: '10.0.0.2', upperThreshold: 9, lowerThreshold: 3, labels: { a: 'b' } },
      a: { address: '10.0.0.1', port: 81, weight: 0, forwarding: 'masq', adminState: 'draining' },
      c: { address: '10.0.0.3', forwarding: 'dr', adminState: 'disabled' },
    },
  }
  t.equal((await first.send('PUT', '/v1/virtual-services/web', full)).statusCode, 422, 'é')
  const body = { ...full, labels: { env: 'prod' } }
  t.equal((await first.send('PUT', '/v1/virtual-services/web', body)).statusCode, 201)
  const six = { protocol: 'tcp', address: '2001:db8::1', port: 0, persistence: {} }
  t.equal((await first.send('PUT', '/v1/virtual-services/six', six)).statusCode, 201)
  const before = (await first.send('GET', '/v1/virtual-services')).body
  const table = first.dataplane.table()
  await first.close()

  const second = await startAppliance({ file })
  t.equal((await second.send('GET', '/v1/virtual-services')).body, before)
  t.strictSame(second.dataplane.table(), table, 'in the same order')
  t.equal(second.control.revision(), 2)
  await second.close()
})

t.test('a newer version’s database is refused and left as it is', async t => {
  const folder = t.testdir()
  const file = `${folder}/sluice.db`
  openDatabase(file).close()
  const newer = new BetterSqlite(file)
  newer.pragma(`user_version = ${readMigrations().length + 1}`)
  newer.close()
  const before = contents(folder)
  t.throws(() => openDatabase(file), { message: /newer version.*untouched/ })
  t.strictSame(contents(folder), before, 'octet for octet, and nothing beside it')
})

t.test('also when only the write-ahead log says so', async t => {
  const folder = t.testdir()
  const file = `${folder}/sluice.db`
  const newer = openDatabase(file)
  newer.pragma('wal_checkpoint(TRUNCATE)')
  newer.pragma(`user_version = ${readMigrations().length + 1}`)
  // As a killed process leaves it: the log is not merged.
  const copy = `${folder}/copy.db`
  for (const suffix of ['', '-wal'])
    writeFileSync(`${copy}${suffix}`, readFileSync(`${file}${suffix}`))
  newer.close()
  const before = [readFileSync(copy), readFileSync(`${copy}-wal`)]
  t.throws(() => openDatabase(copy), { message: /newer version/ })
  t.strictSame([readFileSync(copy), readFileSync(`${copy}-wal`)], before)
})

t.test('what cannot be used is refused in one line', async t => {
  const folder = t.testdir({ text: 'x'.repeat(5000), short: 'SQLite format 3', folder: {} })
  const cases: [string, RegExp][] = [
    ['text', /not a database.*untouched/],
    ['short', /not a database/],
    ['folder', /not a file/],
    ['missing/sluice.db', /no folder/],
  ]
  for (const [name, message] of cases) {
    t.throws(() => openDatabase(`${folder}/${name}`), { message }, name)
    try {
      openDatabase(`${folder}/${name}`)
    } catch (error) {
      t.type(error, DatabaseError)
      t.notMatch((error as Error).message, /\n/)
    }
  }
  t.equal(readFileSync(`${folder}/text`, 'utf8'), 'x'.repeat(5000))
})

t.test('another program’s database is refused', async t => {
  const folder = t.testdir()
  const file = `${folder}/other.db`
  const other = new BetterSqlite(file)
  other.exec('CREATE TABLE bookmarks (url TEXT)')
  other.close()
  const before = contents(folder)
  t.throws(() => openDatabase(file), { message: /another program/ })
  t.strictSame(contents(folder), before)
})

t.test('a damaged database is refused', async t => {
  const file = `${t.testdir()}/sluice.db`
  openDatabase(file).close()
  const octets = readFileSync(file)
  octets.fill(0xa5, 100)
  writeFileSync(file, octets)
  t.throws(() => openDatabase(file), { message: /damaged|not a database/ })
})

t.test('a file that cannot be written is refused', async t => {
  if (process.getuid?.() === 0) {
    // Root writes everything; a file below /proc cannot be made by anybody.
    t.throws(() => openDatabase('/proc/sluice.db'), { message: /permission/ })
    return
  }
  const folder = `${t.testdir()}/locked`
  mkdirSync(folder)
  chmodSync(folder, 0o500)
  t.throws(() => openDatabase(`${folder}/sluice.db`), { message: /permission/ })
})

t.test('a migration that fails leaves the version before it', async t => {
  const file = `${t.testdir()}/sluice.db`
  openDatabase(file).close()
  const known = readMigrations()
  const version = known.length + 1
  const next = { version, name: 'next.sql', sql: 'CREATE TABLE new (x); SELECT nonsense' }
  t.throws(() => openDatabase(file, [...known, next]), { message: /next.sql failed/ })
  const database = openDatabase(file)
  t.strictSame(database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'new'").all(), [])
  database.close()
  const better = { ...next, sql: 'CREATE TABLE new (x)' }
  const migrated = openDatabase(file, [...known, better])
  t.equal(pragma(migrated, 'user_version'), version)
  migrated.close()
})

t.test('migrations have no gaps', async t => {
  const folder = t.testdir({ '0001-a.sql': '', '0003-b.sql': '' })
  t.throws(() => readMigrations(folder), { message: /0003-b.sql should have number 2/ })
})

t.test('two services cannot be stored under one key', async t => {
  const a = await startAppliance()
  t.teardown(() => a.close())
  await a.send('PUT', '/v1/virtual-services/web', web)
  const repo = new ConfigurationRepo(a.database)
  const web1 = repo.services.get('web')!
  const twin = { ...web1, name: 'twin', meta: { ...web1.meta, uid: 'other' }, servers: [] }
  const origin = { actor: SYSTEM, requestId: null, message: null }
  const head = { revision: 2, at: '2030-01-01T00:00:00.000Z', ...origin }
  const changes = { services: [{ before: null, after: twin }] }
  t.throws(() => repo.commit([{ head, changes, storing: undefined }]), {
    code: /CONSTRAINT/,
  })
  t.equal(repo.revision(), 1, 'and the revision is not spent')
})
