/** How long SQLite takes, and how much it holds. */
import { statSync } from 'node:fs'
import type { Database } from '../db.js'
import { type Exposition } from './exposition.js'
import { Histogram } from './histogram.js'

export class DatabaseMetrics {
  readonly #database: Database
  readonly #times = new Histogram(
    'sluice_database_transaction_seconds',
    'Transactions that write, from BEGIN until the disk has it. The API waits meanwhile.',
  ).begin()

  /** Every transaction made with `database` from now on is measured. */
  constructor(database: Database, nowMs: () => number = () => performance.now()) {
    this.#database = database
    const times = this.#times
    const make = database.transaction.bind(database)
    const measure =
      <T extends unknown[], R>(run: (...all: T) => R) =>
      (...all: T): R => {
        const startedMs = nowMs()
        try {
          return run(...all)
        } finally {
          times.observe((nowMs() - startedMs) / 1000)
        }
      }
    const measured = (work: (...all: unknown[]) => unknown) => {
      const made = make(work)
      return Object.assign(
        measure((...all) => made(...all)),
        {
          default: measure((...all) => made.default(...all)),
          deferred: measure((...all) => made.deferred(...all)),
          immediate: measure((...all) => made.immediate(...all)),
          exclusive: measure((...all) => made.exclusive(...all)),
        },
      )
    }
    database.transaction = measured as Database['transaction']
  }

  collect = (out: Exposition): void => {
    this.#times.collect(out)
    const { name } = this.#database
    out.single(
      { name: 'sluice_database_size_bytes', type: 'gauge', help: 'The database file.' },
      sizeOf(name),
    )
    out.single(
      {
        name: 'sluice_database_log_size_bytes',
        type: 'gauge',
        help: 'The write-ahead log, which is moved into the database after 4,000 pages.',
      },
      sizeOf(`${name}-wal`),
    )
  }
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0
