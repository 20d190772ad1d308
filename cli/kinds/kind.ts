/** What `sluice get` can show: how it is read, what identifies it, and its columns. */
import type { Session } from '../client/client.js'
import type { Column } from '../output/table.js'

export interface Query {
  /** Arguments after the kind. */
  names: readonly string[]
  /** `key=value`; all must be there. */
  labels: readonly string[]
  /** Further query parameters, as the API has them. */
  filters: Readonly<Record<string, string>>
}

export interface Kind<T> {
  /** Plural first; all are understood. */
  names: readonly [string, ...string[]]
  about: string
  columns: readonly Column<T>[]
  /** What tells an item from the others; printed by `-o name`. */
  nameOf(item: T): string
  /** Pages, so that a long list need not fit into memory. */
  read(session: Session, query: Query): AsyncIterable<readonly T[]>
  /** There is just one: printed by itself, not as a list. */
  single?: true
}

interface Page<T> {
  items: T[]
  nextCursor: string | null
}

/** All pages of a list; `ask` gets the cursor of each. */
export async function* pagesOf<T>(
  ask: (cursor: string | undefined) => Promise<Page<T>>,
): AsyncIterable<readonly T[]> {
  let cursor: string | undefined
  do {
    const { items, nextCursor } = await ask(cursor)
    yield items
    cursor = nextCursor ?? undefined
  } while (cursor !== undefined)
}

export const cursorQuery = (cursor: string | undefined) => (cursor === undefined ? {} : { cursor })

export const labelsText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')

/** An address with its port, IPv6 in brackets. */
export const endpoint = ({ address, port }: { address: string; port: number }): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
