/**
 * Opens the database: checks first that the file is ours to touch, then makes it durable and brings
 * it to this version's schema. The database is the truth; whatever it has acknowledged must survive
 * a power cut.
 */
import {
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  closeSync,
  statSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import BetterSqlite from 'better-sqlite3'

export type Database = BetterSqlite.Database

/** Why a database cannot be used, in one line for a person. */
export class DatabaseError extends Error {}

/** 'SLUI' in SQLite's application_id: this file is ours and not some other program's. */
const APPLICATION_ID = 0x534c5549
const BUSY_TIMEOUT_MS = 5000
/** Of 4 KiB: at most so much, or what one change needs, is read again after a crash. */
const CHECKPOINT_PAGES = 4000

export interface Migration {
  version: number
  name: string
  sql: string
}

/**
 * Opens and migrates. A file that a newer version wrote, that another program owns or that is no
 * database is refused with DatabaseError and left as it is, octet for octet.
 */
export function openDatabase(file: string, migrations = readMigrations()): Database {
  const memory = file === ':memory:'
  if (!memory) inspect(resolve(file), migrations.length)
  try {
    const database = new BetterSqlite(file)
    try {
      configure(database, memory)
      migrate(database, migrations)
      return database
    } catch (error) {
      database.close()
      throw error
    }
  } catch (cause) {
    if (cause instanceof DatabaseError) throw cause
    throw new DatabaseError(`cannot use the database ${file}: ${explain(cause)}`, { cause })
  }
}

/** Looks at the file's header only, so that not even a journal appears beside a refused one. */
function inspect(file: string, newest: number): void {
  const folder = dirname(file)
  if (!existsSync(folder)) throw new DatabaseError(`there is no folder ${folder} for the database`)
  if (!existsSync(file)) return
  if (!statSync(file).isFile()) throw new DatabaseError(`${file} is not a file`)
  const header = readHeader(file)
  if (header.length === 0) return
  if (header.length < 100 || header.toString('latin1', 0, 15) !== 'SQLite format 3') {
    throw new DatabaseError(`${file} is not a database; it was left untouched`)
  }
  // Offsets 60 and 68 of the SQLite file header: user_version and application_id.
  check(file, header.readUInt32BE(60), header.readUInt32BE(68), newest)
  if (existsSync(`${file}-wal`) && statSync(`${file}-wal`).size > 0) inspectLog(file, newest)
}

/** After a crash the log may hold a newer version than the header. Read-only: nothing is moved. */
function inspectLog(file: string, newest: number): void {
  try {
    const database = new BetterSqlite(file, { readonly: true })
    try {
      const number = (name: string) => Number(database.pragma(name, { simple: true }))
      check(file, number('user_version'), number('application_id'), newest)
    } finally {
      database.close()
    }
  } catch (cause) {
    if (cause instanceof DatabaseError) throw cause
    throw new DatabaseError(`cannot read the database ${file}: ${explain(cause)}`, { cause })
  }
}

function check(file: string, version: number, application: number, newest: number): void {
  if (version > newest) {
    throw new DatabaseError(
      `${file} was written by a newer version of Sluice (schema ${version}, this one knows ` +
        `${newest}); it was left untouched: use that version, or another --database`,
    )
  }
  if (application !== APPLICATION_ID && (application !== 0 || version !== 0)) {
    throw new DatabaseError(`${file} is a database of another program; it was left untouched`)
  }
}

function readHeader(file: string): Buffer {
  try {
    const descriptor = openSync(file, 'r')
    try {
      const header = Buffer.alloc(100)
      return header.subarray(0, readSync(descriptor, header, 0, header.length, 0))
    } finally {
      closeSync(descriptor)
    }
  } catch (cause) {
    throw new DatabaseError(`cannot read the database ${file}: ${explain(cause)}`, { cause })
  }
}

function configure(database: Database, memory: boolean): void {
  database.pragma(`busy_timeout = ${BUSY_TIMEOUT_MS}`)
  // The header may be older than what a write-ahead log beside it holds; now it is read with it.
  const version = Number(database.pragma('user_version', { simple: true }))
  const application = Number(database.pragma('application_id', { simple: true }))
  const tables = database.prepare('SELECT count(*) AS n FROM sqlite_schema').get() as { n: number }
  if (application !== APPLICATION_ID && (version !== 0 || tables.n > 0)) {
    throw new DatabaseError(
      `${database.name} is a database of another program; it was left as it is`,
    )
  }
  database.pragma('journal_mode = WAL')
  // better-sqlite3 is built with SQLITE_DEFAULT_WAL_SYNCHRONOUS=1: without this line an existing
  // database runs with NORMAL, and a power cut takes back commits that clients were told of.
  database.pragma('synchronous = FULL')
  database.pragma('foreign_keys = ON')
  // A write changes about ten pages, and whichever fills the log up also moves it into the database:
  // one in four hundred instead of one in a hundred.
  database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
  const settings: [string, unknown][] = [
    ['journal_mode', memory ? 'memory' : 'wal'],
    ['synchronous', 2],
    ['foreign_keys', 1],
  ]
  for (const [name, wanted] of settings) {
    const found: unknown = database.pragma(name, { simple: true })
    if (found !== wanted) {
      throw new DatabaseError(
        `${database.name}: SQLite keeps ${name} at ${String(found)} instead of ${String(wanted)}`,
      )
    }
  }
}

/** Applies what is missing, each file in a transaction of its own together with its number. */
function migrate(database: Database, migrations: readonly Migration[]): void {
  const apply = database.transaction((migration: Migration) => {
    const version = Number(database.pragma('user_version', { simple: true }))
    if (version >= migration.version) return
    database.exec(migration.sql)
    database.pragma(`user_version = ${migration.version}`)
    database.pragma(`application_id = ${APPLICATION_ID}`)
  })
  const version = Number(database.pragma('user_version', { simple: true }))
  if (version > migrations.length) {
    check(database.name, version, APPLICATION_ID, migrations.length)
  }
  for (const migration of migrations.slice(version)) {
    try {
      apply.immediate(migration)
    } catch (cause) {
      const detail = `migration ${migration.name} failed: ${explain(cause)}`
      throw new DatabaseError(`${database.name}: ${detail}`, { cause })
    }
  }
}

/** The SQL files of `migrations/`, in order; a gap or a double number is a mistake in the project. */
export function readMigrations(folder = migrationsFolder()): Migration[] {
  const files = readdirSync(folder).filter(name => name.endsWith('.sql'))
  return files.sort().map((name, i) => {
    const version = Number(/^(\d{4})-/.exec(name)?.[1])
    if (version !== i + 1)
      throw new DatabaseError(`migrations: ${name} should have number ${i + 1}`)
    return { version, name, sql: readFileSync(join(folder, name), 'utf8') }
  })
}

/** Beside `server/` when run from its sources, one above `dist/` when built. */
function migrationsFolder(): string {
  const here = dirname(fileURLToPath(import.meta.url))
  const folders = [join(here, '../migrations'), join(here, '../../migrations')]
  const found = folders.find(folder => existsSync(folder))
  if (found === undefined) throw new DatabaseError(`there is no folder migrations beside ${here}`)
  return found
}

function explain(error: unknown): string {
  const { code, message } = error as { code?: string; message: string }
  const known: Record<string, string> = {
    SQLITE_CANTOPEN: 'it cannot be opened or made; do you have write permission in its folder?',
    SQLITE_READONLY: 'it cannot be written; do you have write permission?',
    SQLITE_NOTADB: 'it is not a database',
    SQLITE_CORRUPT: 'it is damaged; restore it from a backup',
    SQLITE_BUSY: 'another process is using it',
    SQLITE_FULL: 'the disk is full',
    EACCES: 'permission denied',
  }
  const words = code === undefined ? undefined : known[code]
  return words ?? (message.split('\n')[0] || 'unknown error')
}
