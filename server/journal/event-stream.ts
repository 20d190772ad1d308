/**
 * Server-sent events for one reader. It fetches from the journal only what the reader takes, so a
 * slow one holds nothing up and costs one page of memory; one that takes nothing for too long is let
 * go, and goes on later from the last number that it got.
 */
import { Readable } from 'node:stream'
import type { EntryRecord, Journal } from './journal.js'

export interface EventStreamOptions {
  journal: Journal
  /** The last entry that the reader has. */
  after: number
  /** What the reader may see and wants to. */
  passes: (entry: EntryRecord) => boolean
  render: (entry: EntryRecord) => object
  /** Whether whoever opened it is still let in. */
  mayStay: () => boolean
  heartbeatMs?: number
  /** How long a reader may take nothing while there is something. */
  patienceMs?: number
}

export const HEARTBEAT_MS = 15_000
const PATIENCE_MS = 30_000
const PAGE = 100

export class EventStream extends Readable {
  readonly #options: EventStreamOptions
  readonly #unsubscribe: () => void
  readonly #heartbeat: NodeJS.Timeout
  #after: number
  /** The reader has room. */
  #wanted = false
  #stalledSinceMs: number | null = null

  constructor(options: EventStreamOptions) {
    super()
    this.#options = options
    this.#after = options.after
    this.#unsubscribe = options.journal.subscribe(() => this.#pump())
    this.#heartbeat = setInterval(() => this.#beat(), options.heartbeatMs ?? HEARTBEAT_MS)
    // Something at once: proxies and clients learn that the stream is open.
    this.push(`retry: 2000\n: from ${this.#after} on\n\n`)
  }

  override _read(): void {
    this.#wanted = true
    this.#stalledSinceMs = null
    // Not from within: `push` may ask for more before it returns.
    setImmediate(() => this.#pump())
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    clearInterval(this.#heartbeat)
    this.#unsubscribe()
    callback(error)
  }

  /** Ends it; the reader comes back if it likes. */
  finish(): void {
    clearInterval(this.#heartbeat)
    this.#unsubscribe()
    if (!this.destroyed && !this.readableEnded) this.push(null)
  }

  #pump(): void {
    if (this.destroyed || this.readableEnded) return
    if (!this.#options.mayStay()) return this.finish()
    if (!this.#wanted) {
      this.#stalledSinceMs ??= performance.now()
      return
    }
    try {
      const entries = this.#options.journal.after(this.#after, PAGE)
      const last = entries.at(-1)
      if (last === undefined) return
      this.#after = last.id
      const text = entries.filter(this.#options.passes).map(each => this.#text(each))
      if (text.length > 0) this.#wanted = this.push(text.join(''))
      // One page a turn: others have their turns, too.
      setImmediate(() => this.#pump())
    } catch {
      // Removed while the reader was away: it is told so when it comes back.
      this.finish()
    }
  }

  #text(entry: EntryRecord): string {
    const data = JSON.stringify(this.#options.render(entry))
    return `id: ${entry.id}\nevent: ${entry.type}\ndata: ${data}\n\n`
  }

  #beat(): void {
    const { mayStay, patienceMs = PATIENCE_MS } = this.#options
    if (!mayStay()) return this.finish()
    if (this.#wanted) this.#wanted = this.push(': heartbeat\n\n')
    else {
      this.#stalledSinceMs ??= performance.now()
      if (performance.now() - this.#stalledSinceMs > patienceMs) this.destroy()
    }
  }
}
