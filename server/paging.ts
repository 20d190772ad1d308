/** Pages of lists: filters, cursors (where a list goes on, opaque to clients) and cutting. */
import { Problem } from './errors.js'
import type { ServerRecord } from './repo/records.js'

export interface Page<T> {
  items: T[]
  nextCursor: string | null
}

export interface Paging {
  limit: number
  cursor?: string | undefined
  /** Pairs that must all be there. */
  labels: readonly [string, string][]
}

export interface ServerFilter {
  address?: string | undefined
  port?: number | undefined
  forwarding?: string | undefined
  adminState?: string | undefined
}

/** What a cursor may hold. */
export const NAME = /^[a-z0-9-]{1,63}$/
export const NUMBER = /^\d{1,9}$/

export const encodeCursor = (place: string): string => Buffer.from(place).toString('base64url')

/** The place in a cursor, which has to look as `pattern` says; `start` when there is none. */
export function decodeCursor(cursor: string | undefined, pattern: RegExp, start: string): string {
  if (cursor === undefined) return start
  const place = Buffer.from(cursor, 'base64url').toString()
  if (encodeCursor(place) === cursor && pattern.test(place)) return place
  const detail = 'The cursor is not one that this list gave out.'
  throw new Problem('INVALID_PARAMETER', detail, {
    errors: [{ parameter: 'cursor', code: 'INVALID_CURSOR', detail }],
  })
}

/** `records` has one more than the page when there is a next one. */
export function pageOf<R extends { name: string }, V>(
  records: readonly R[],
  limit: number,
  view: (record: R) => V,
): Page<V> {
  const more = records.length > limit
  const items = more ? records.slice(0, limit) : records
  const nextCursor = more ? encodeCursor(items.at(-1)!.name) : null
  return { items: items.map(view), nextCursor }
}

export function passes(
  { config }: ServerRecord,
  { address, port, forwarding, adminState }: ServerFilter,
  labels: Paging['labels'],
): boolean {
  return (
    (address === undefined || config.address === address) &&
    (port === undefined || config.port === port) &&
    (forwarding === undefined || config.forwarding === forwarding) &&
    (adminState === undefined || config.adminState === adminState) &&
    labels.every(
      ([key, value]) => Object.hasOwn(config.labels, key) && config.labels[key] === value,
    )
  )
}
