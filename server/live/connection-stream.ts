/**
 * All connections as a stream of text: a slice is read when the reader has taken the one before,
 * and others get their turn in between, so a million cost neither memory nor anybody's time; where
 * packets leave none, it rests in between.
 */
import { Readable } from 'node:stream'
import type { ConnectionDocument } from '../ipvsadm/documents.js'
import type { Courtesy, Rest } from './courtesy.js'
import { connectionsTitle, connectionText } from './text-tables.js'

/** Connections of a slice: below what V8 keeps apart as large objects, which live long. */
const SLICE = 100

interface Page {
  items: ConnectionDocument[]
  nextCursor: string | null
}
export type ReadSlice = (limit: number, cursor: string | undefined) => Page

type Render = (items: readonly ConnectionDocument[]) => Promise<string>

/** `most` bounds how many, from `cursor` on. */
export interface Listing {
  read: ReadSlice
  courtesy: Courtesy
  cursor: string | undefined
  most: number | undefined
}

/** One JSON document a line (NDJSON). */
export const connectionLines = (listing: Listing): Readable =>
  new SliceStream(listing, '', async items =>
    items.map(item => `${JSON.stringify(item)}\n`).join(''),
  )

/** ipvsadm's table. */
export const connectionTable = (listing: Listing): Readable =>
  new SliceStream(listing, connectionsTitle(), async items =>
    (await Promise.all(items.map(connectionText))).join(''),
  )

/**
 * Not an async generator behind `Readable.from`: once the collector has moved one of its promises to
 * the old space, each slice is kept by the one before until the next full collection, a hundred MiB
 * later. One slice ahead of the reader, not sixteen.
 */
class SliceStream extends Readable {
  readonly #readSlice: ReadSlice
  readonly #render: Render
  readonly #rest: Rest
  #page: Page
  #left: number
  #head: string
  #begun = false

  /** Reads the first slice at once: a wrong parameter is an answer then, not a broken stream. */
  constructor({ read, courtesy, cursor, most = Infinity }: Listing, head: string, render: Render) {
    super({ objectMode: true, highWaterMark: 1 })
    this.#readSlice = read
    this.#render = render
    this.#rest = courtesy.begin()
    this.#page = read(Math.min(SLICE, most), cursor)
    this.#left = most - this.#page.items.length
    this.#head = head
  }

  override _read(): void {
    if (!this.#begun) this.#push()
    else if (this.#ended()) this.push(null)
    else this.#rest(this.#next)
    this.#begun = true
  }

  #ended(): boolean {
    return this.#page.nextCursor === null || this.#left <= 0
  }

  readonly #next = (): void => {
    if (this.destroyed) return
    try {
      this.#page = this.#readSlice(Math.min(SLICE, this.#left), this.#page.nextCursor!)
      this.#left -= this.#page.items.length
    } catch (error) {
      this.destroy(error as Error)
      return
    }
    this.#push()
  }

  #push(): void {
    this.#render(this.#page.items).then(
      text => {
        const whole = this.#head + text
        this.#head = ''
        if (whole !== '') this.push(whole)
        // Nobody asks again after an empty text.
        else this._read()
      },
      (error: unknown) => this.destroy(error as Error),
    )
  }
}
