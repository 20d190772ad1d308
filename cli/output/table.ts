/** Tables: columns as wide as what is in them, two blanks apart. */

export interface Column<T> {
  title: string
  /** Only with `-o wide`. */
  wide?: boolean
  value(item: T): string | number | null | undefined
}

export function tableText<T>(
  columns: readonly Column<T>[],
  items: readonly T[],
  wide: boolean,
): string {
  const shown = columns.filter(column => wide || column.wide !== true)
  const rows = items.map(item => shown.map(column => cell(column.value(item))))
  const all = [shown.map(({ title }) => title), ...rows]
  const widths = shown.map((_, i) => Math.max(...all.map(row => row[i]!.length)))
  return all.map(row => `${lineOf(row, widths)}\n`).join('')
}

/** One row without a head, for what goes on while one looks. */
export const lineOf = (row: readonly string[], widths: readonly number[]): string =>
  row
    .map((text, i) => text.padEnd(widths[i]!))
    .join('  ')
    .trimEnd()

const cell = (value: string | number | null | undefined): string =>
  value === null || value === undefined || value === '' ? '-' : String(value)

/** A document as one line a value, `a.b.c  value`: for what has no columns. */
export function pathLines(document: object): string {
  const lines = leaves(document, '')
  const width = Math.max(0, ...lines.map(([path]) => path.length))
  return lines.map(([path, value]) => `${path.padEnd(width)}  ${value}\n`).join('')
}

function leaves(value: unknown, path: string): [string, string][] {
  const isPlain = typeof value !== 'object' || value === null || Array.isArray(value)
  if (isPlain) return [[path, Array.isArray(value) ? value.join(',') || '-' : String(value)]]
  const prefix = path === '' ? '' : `${path}.`
  return Object.entries(value).flatMap(([key, each]) => leaves(each, prefix + key))
}
