/** Pages of lists: filters, cursors (where a list goes on, opaque to clients) and cutting. */
import { Problem } from '../errors.js'
import type { ServerRecord } from '../repo/records.js'
import { oneOfHint, quote } from '../schemas/walk.js'

export interface Page<T> {
  items: T[]
  nextCursor: string | null
}

export interface Paging {
  limit: number
  cursor?: string | undefined
  /** A field, with `-` before it for descending; by name when absent. */
  sort?: string | undefined
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

/** What a list is sorted by. */
export type Order<V> = (view: V) => string | number

export const NAME_ORDER = ({ name }: { name: string }): string => name

/**
 * One page of what `passing` lets through. By name it only looks at what the page needs; by anything
 * else at everything. A cursor holds the place after which the list goes on: value and name. What
 * moves meanwhile (connections) may be seen twice or not at all, the others are seen once.
 */
export function listPage<R extends { name: string }, V extends { name: string }>(
  names: readonly string[],
  passing: (name: string) => R | null,
  { limit, cursor, sort = 'name' }: Paging,
  orders: Readonly<Record<string, Order<V>>>,
  view: (record: R) => V,
): Page<V> {
  const backwards = sort.startsWith('-')
  const by = backwards ? sort.slice(1) : sort
  const order = Object.hasOwn(orders, by) ? orders[by]! : null
  if (order === null) throw badSort(sort, Object.keys(orders))
  const after = cursor === undefined ? null : placeIn(cursor, sort)
  if (by === 'name') return pageByName(names, passing, { limit, after, backwards, sort }, view)
  const sign = backwards ? -1 : 1
  // Equal ones by name, always forwards.
  const compare = (a: Place, b: Place) =>
    a.value === b.value ? compareTexts(a.name, b.name) : sign * (a.value < b.value ? -1 : 1)
  const found = names
    .map(passing)
    .filter(record => record !== null)
    .map(record => view(record))
    .map(each => ({ name: each.name, value: order(each), each }))
    .filter(place => after === null || compare(after, place) < 0)
    .sort(compare)
  const last = found.length > limit ? found[limit - 1]! : null
  const nextCursor = last === null ? null : cursorOf(sort, last)
  return { items: found.slice(0, limit).map(({ each }) => each), nextCursor }
}

interface Place {
  name: string
  value: string | number
}

function pageByName<R extends { name: string }, V>(
  names: readonly string[],
  passing: (name: string) => R | null,
  page: { limit: number; after: Place | null; backwards: boolean; sort: string },
  view: (record: R) => V,
): Page<V> {
  const { limit, after, backwards, sort } = page
  const ordered = backwards ? [...names].reverse() : names
  const found: R[] = []
  for (const name of ordered) {
    if (after !== null && (backwards ? name >= after.name : name <= after.name)) continue
    const record = passing(name)
    if (record !== null) found.push(record)
    if (found.length > limit) break
  }
  const last = found.length > limit ? found[limit - 1]! : null
  const nextCursor = last === null ? null : cursorOf(sort, { name: last.name, value: last.name })
  return { items: found.slice(0, limit).map(view), nextCursor }
}

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const cursorOf = (sort: string, { name, value }: Place): string =>
  encodeCursor(JSON.stringify([sort, value, name]))

const CURSOR = /^\["-?[a-zA-Z]{1,32}",(?:"[^"\\]{0,64}"|-?\d{1,16}),"[a-z0-9-]{1,63}"\]$/

function placeIn(cursor: string, sort: string): Place {
  const text = decodeCursor(cursor, CURSOR, '')
  const [by, value, name] = JSON.parse(text) as [string, string | number, string]
  if (by === sort) return { value, name }
  const detail = `The cursor belongs to the list sorted by '${by}'.`
  throw new Problem('INVALID_PARAMETER', detail, {
    errors: [{ parameter: 'cursor', code: 'INVALID_CURSOR', detail }],
  })
}

function badSort(sort: string, known: readonly string[]): Problem {
  const detail = `${quote(sort)} is nothing that this list can be sorted by.`
  const hint = `${oneOfHint(sort.replace(/^-/, ''), known)} A '-' before it turns the order round.`
  return new Problem('INVALID_PARAMETER', detail, {
    errors: [{ parameter: 'sort', code: 'INVALID_PARAMETER', detail, hint }],
  })
}

export const hasLabels = (
  labels: Readonly<Record<string, string>>,
  wanted: Paging['labels'],
): boolean => wanted.every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value)

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
    hasLabels(config.labels, labels)
  )
}
