/**
 * All connections as a stream of text: a slice is read when the reader has taken the one before,
 * and others get their turn in between, so a million cost neither memory nor anybody's time.
 */
import { setImmediate } from 'node:timers/promises'
import { Readable } from 'node:stream'
import type { ConnectionDocument } from '../ipvsadm/documents.js'
import { connectionsTitle, connectionText } from './text-tables.js'

/** Connections of a slice: below what V8 keeps apart as large objects, which live long. */
const SLICE = 100

interface Page {
  items: ConnectionDocument[]
  nextCursor: string | null
}
export type ReadSlice = (limit: number, cursor: string | undefined) => Page

/** One JSON document a line (NDJSON). `most` bounds how many, from `cursor` on. */
export const connectionLines = (read: ReadSlice, cursor?: string, most = Infinity): Readable =>
  stream(read, cursor, most, '', async items =>
    items.map(item => `${JSON.stringify(item)}\n`).join(''),
  )

/** ipvsadm's table. */
export const connectionTable = (read: ReadSlice, cursor?: string, most = Infinity): Readable =>
  stream(read, cursor, most, connectionsTitle(), async items =>
    (await Promise.all(items.map(connectionText))).join(''),
  )

function stream(
  read: ReadSlice,
  cursor: string | undefined,
  most: number,
  head: string,
  render: (items: readonly ConnectionDocument[]) => Promise<string>,
): Readable {
  // The first slice is read at once: a parameter that is wrong is an answer, not a broken stream.
  const first = read(Math.min(SLICE, most), cursor)
  const slices = async function* (): AsyncGenerator<string> {
    if (head !== '') yield head
    let page = first
    let left = most
    for (;;) {
      left -= page.items.length
      const text = await render(page.items)
      if (text !== '') yield text
      if (page.nextCursor === null || left <= 0) return
      await setImmediate()
      page = read(Math.min(SLICE, left), page.nextCursor)
    }
  }
  // One slice ahead of the reader, not sixteen.
  return Readable.from(slices(), { highWaterMark: 1 })
}
