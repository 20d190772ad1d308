/**
 * What every check said last, kept for the next start. Changes are gathered and written together
 * every few seconds: losing the last ones costs a check its head start, and nothing waits for disk.
 */
import type { Logger } from 'pino'
import { messageOf } from '../errors.js'
import type { CheckStateRecord, CheckStateRepo } from '../repo/check-states.js'

export interface LastStatesOptions {
  repo: CheckStateRepo
  logger: Pick<Logger, 'warn'>
  now: () => Date
  /** Calls `work` once, after so long; returns what prevents it. */
  after: (delayMs: number, work: () => void) => () => void
}

const FLUSH_MS = 5000
/** Of one transaction, so that many changes are not one long pause. */
const BATCH_MAX = 500

export class LastStates {
  readonly #o: LastStatesOptions
  readonly #known = new Map<string, CheckStateRecord>()
  /** Null: it is gone. */
  readonly #unsaved = new Map<string, CheckStateRecord | null>()
  #cancel: (() => void) | null = null

  constructor(options: LastStatesOptions) {
    this.#o = options
    for (const record of options.repo.all()) this.#known.set(keyOf(record), record)
  }

  get(service: string, server: string, name: string): 'up' | 'down' | null {
    return this.#known.get(keyOf({ service, server, name }))?.state ?? null
  }

  set(service: string, server: string, name: string, state: 'up' | 'down'): void {
    const key = keyOf({ service, server, name })
    if (this.#known.get(key)?.state === state) return
    const since = this.#o.now().toISOString()
    const record = { service, server, name, state, since }
    this.#known.set(key, record)
    this.#note(key, record)
  }

  /** Forgets what nobody asks for any more. */
  retain(isAsked: (record: CheckStateRecord) => boolean): void {
    for (const [key, record] of this.#known) if (!isAsked(record)) this.#forget(key)
  }

  delete(service: string, server: string, name: string): void {
    const key = keyOf({ service, server, name })
    if (this.#known.has(key)) this.#forget(key)
  }

  /** Writes down everything that is not. */
  flush(): void {
    while (this.#unsaved.size > 0) this.#flushSome()
  }

  #forget(key: string): void {
    this.#known.delete(key)
    this.#note(key, null)
  }

  #note(key: string, record: CheckStateRecord | null): void {
    this.#unsaved.set(key, record)
    this.#cancel ??= this.#o.after(FLUSH_MS, () => {
      this.#cancel = null
      this.#flushSome()
    })
  }

  #flushSome(): void {
    this.#cancel?.()
    this.#cancel = null
    const some = [...this.#unsaved].slice(0, BATCH_MAX)
    for (const [key] of some) this.#unsaved.delete(key)
    const put = some.flatMap(([, record]) => (record === null ? [] : [record]))
    const gone = some.flatMap(([key, record]) => (record === null ? [partsOf(key)] : []))
    try {
      this.#o.repo.save(put, gone)
    } catch (error) {
      this.#o.logger.warn({ reason: messageOf(error) }, 'states of checks could not be stored')
    }
    if (this.#unsaved.size > 0)
      this.#cancel = this.#o.after(BATCH_PAUSE_MS, () => {
        this.#cancel = null
        this.#flushSome()
      })
  }
}

const BATCH_PAUSE_MS = 50

/** No name has a slash in it. */
const keyOf = ({ service, server, name }: Omit<CheckStateRecord, 'state' | 'since'>): string =>
  `${service}/${server}/${name}`

function partsOf(key: string) {
  const [service = '', server = '', name = ''] = key.split('/')
  return { service, server, name }
}
