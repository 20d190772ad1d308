/** Reads the tables of test/fixtures/ipvs/state-tables.md, a listing made independently of ours. */
import { readFileSync } from 'node:fs'

const FILE = new URL('../../../fixtures/ipvs/state-tables.md', import.meta.url)

export interface Cell {
  event: string
  from: string
  to: string
}

/** The cells of the table under that title or, for SCTP, with that word in its corner. */
export function cellsOf(title: string): Cell[] {
  const lines = readFileSync(FILE, 'utf8').split('\n')
  const at = lines.findIndex(line => line === `**${title}**` || line.startsWith(`| ${title} |`))
  if (at < 0) throw new RangeError(title)
  const first = lines.findIndex((line, i) => i >= at && line.startsWith('|'))
  const rows: string[][] = []
  for (let i = first; lines[i]?.startsWith('|'); i++) {
    rows.push(
      lines[i]!.split('|')
        .slice(1, -1)
        .map(cell => cell.trim()),
    )
  }
  const [header, , ...body] = rows
  return body.flatMap(([event, ...cells]) =>
    cells.map((to, i) => ({ event: event!, from: header![i + 1]!, to })),
  )
}
