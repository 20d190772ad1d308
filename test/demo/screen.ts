/** How the demo speaks: short sections, aligned tables, calls and answers. Colour on terminals only. */
const colour = process.stdout.isTTY && process.env['NO_COLOR'] === undefined
const paint = (code: number) => (text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text)
export const bold = paint(1)
export const dim = paint(2)
export const red = paint(31)
export const green = paint(32)
const cyan = paint(36)

const WIDTH = 100
const started = performance.now()
let sections = 0

export const print = (text = ''): void => void process.stdout.write(`${text}\n`)

/** Starts a numbered section; the time since the start stands at the right. */
export function section(title: string): void {
  const clock = `${((performance.now() - started) / 1000).toFixed(1)} s`
  const head = `${++sections}  ${title}`
  print()
  print(bold(head) + dim(clock.padStart(WIDTH - head.length)))
}

export interface TableOptions {
  /** Columns whose text starts at the left; the others end at the right. */
  left?: number
}

/** A table with two spaces between columns, the head dimmed. */
export function table(rows: readonly (readonly string[])[], { left = 1 }: TableOptions = {}): void {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map(row => (row[i] ?? '').length)))
  for (const [number, row] of rows.entries()) {
    const cells = row.map((cell, i) =>
      i < left ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!),
    )
    const line = `   ${cells.join('   ').trimEnd()}`
    print(number === 0 ? dim(line) : line)
  }
}

/** A call as one would type it, and what came back, in `lines` lines at most. */
export function exchange(
  call: { method: string; url: string; body?: unknown },
  answer: { status: number; ms: number; body: unknown },
  lines: number,
): void {
  const method = call.method === 'GET' ? '' : `-X ${call.method} `
  const type =
    call.method === 'PATCH' ? "-H 'content-type: application/merge-patch+json' -d" : '--json'
  const data = call.body === undefined ? '' : ` ${type} '${JSON.stringify(call.body)}'`
  for (const line of wrap(`$ curl ${method}${call.url}${data}`)) print(`   ${cyan(line)}`)
  print(
    `   ${answer.status < 300 ? green(String(answer.status)) : red(String(answer.status))} ${dim(`in ${answer.ms.toFixed(0)} ms`)}`,
  )
  if (answer.body === '') return
  if (lines === 1) {
    const line = inline(answer.body)
    print(dim(`     ${line.length > WIDTH - 6 ? `${line.slice(0, WIDTH - 7)}…` : line}`))
    return
  }
  const text = pretty(answer.body, WIDTH - 6).split('\n')
  for (const line of text.slice(0, lines)) print(dim(`     ${line}`))
  const more = text.length - lines
  if (more > 0)
    print(dim(`     … ${more} more line${more === 1 ? '' : 's'} (--verbose shows them)`))
}

/** JSON that opens an object only where it does not fit on the line. */
export function pretty(value: unknown, width: number, indent = ''): string {
  const flat = inline(value)
  if (typeof value !== 'object' || value === null || flat.length <= width) return flat
  const inner = `${indent}  `
  const room = width - 2
  if (Array.isArray(value)) {
    const items = value.map(item => inner + pretty(item, room, inner))
    return `[\n${items.join(',\n')}\n${indent}]`
  }
  const fields = Object.entries(value).map(
    ([key, field]) => `${inner}"${key}": ${pretty(field, room - key.length - 4, inner)}`,
  )
  return `{\n${fields.join(',\n')}\n${indent}}`
}

function inline(value: unknown): string {
  if (Array.isArray(value)) return value.length ? `[${value.map(inline).join(', ')}]` : '[]'
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? ''
  const fields = Object.entries(value).map(([key, field]) => `"${key}": ${inline(field)}`)
  return fields.length ? `{ ${fields.join(', ')} }` : '{}'
}

/** Breaks a long command at spaces and at the commas of its JSON, as a shell would take it. */
function wrap(text: string): string[] {
  const lines: string[] = []
  let rest = text
  const room = WIDTH - 6
  while (rest.length > room) {
    const at = Math.max(rest.lastIndexOf(',', room - 1), rest.lastIndexOf(' ', room - 1)) + 1
    const cut = at > room / 2 ? at : room
    lines.push(rest[cut - 1] === ' ' ? `${rest.slice(0, cut)}\\` : rest.slice(0, cut))
    rest = `    ${rest.slice(cut)}`
  }
  return [...lines, rest]
}
