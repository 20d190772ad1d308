/** `--watch`: looks again and again, and prints what has changed since. */
import { setTimeout } from 'node:timers/promises'
import type { AnyKind } from '../kinds/index.js'
import type { Query } from '../kinds/kind.js'
import type { Output } from '../output/format.js'
import { tableText } from '../output/table.js'
import type { Context } from './context.js'

/**
 * For people the rows that changed, below a head of their own; for programs one JSON object a line:
 * `{"change": "added|changed|removed", "name", "object"}`. Ends when the user stops it.
 */
export async function watch(
  { session, io, flags }: Context<{ output: Output }>,
  kind: AnyKind,
  query: Query,
  intervalMs: number,
): Promise<void> {
  const wide = flags.output === 'wide'
  let before = new Map<string, { row: string; item: object }>()
  while (!io.stopped.aborted) {
    const now = new Map<string, { row: string; item: object }>()
    for await (const page of kind.read(session, query))
      for (const item of page) now.set(kind.nameOf(item), { row: rowOf(kind, item, wide), item })
    const changed = [...now].filter(([name, { row }]) => before.get(name)?.row !== row)
    const removed = [...before].filter(([name]) => !now.has(name))
    if (flags.output === 'table' || wide) {
      const items = changed.map(([, { item }]) => item)
      if (items.length > 0) io.out(tableText(kind.columns, items, wide))
      for (const [name] of removed) io.out(`${name}  removed\n`)
    } else {
      for (const [name, { item }] of changed)
        io.out(lineOf(before.has(name) ? 'changed' : 'added', name, item))
      for (const [name, { item }] of removed) io.out(lineOf('removed', name, item))
    }
    before = now
    await setTimeout(intervalMs, undefined, { signal: io.stopped }).catch(() => undefined)
  }
}

/** What makes a difference: that which the columns show. */
const rowOf = ({ columns, single }: AnyKind, item: object, wide: boolean): string =>
  single === true
    ? JSON.stringify(item)
    : columns
        .filter(column => wide || column.wide !== true)
        .map(column => String(column.value(item)))
        .join('\t')

const lineOf = (change: string, name: string, object: object): string =>
  `${JSON.stringify({ change, name, object })}\n`
