import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../lab/root.js'
import { machine } from './machine.js'

/** The middle value; the mean of the two middle ones when there is an even number of them. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >>> 1
  if (sorted.length === 0) return NaN
  if (sorted.length % 2 === 1) return sorted[middle]!
  return (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** A Markdown table whose columns line up: the first to the left, numbers to the right. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map(row => row[i]!.length)))
  const line = (row: readonly string[]) => {
    const cells = row.map((cell, i) => (i ? cell.padStart(widths[i]!) : cell.padEnd(widths[0]!)))
    return `| ${cells.join(' | ')} |`
  }
  const rule = widths.map((width, i) => (i ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)))
  return [line(rows[0]!), `| ${rule.join(' | ')} |`, ...rows.slice(1).map(line)].join('\n')
}

/** Prints the result and writes it to test/bench/results/NAME.md. */
export async function publish(name: string, claim: string, sections: string[]): Promise<void> {
  const measured = [`Measured ${new Date().toISOString().slice(0, 10)} on:`, '']
  const facts = (await machine()).map(line => `- ${line}`)
  const text = [`# ${name}`, claim, [...measured, ...facts].join('\n'), ...sections].join('\n\n')
  const folder = join(ROOT, 'test/bench/results')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${name}.md`)
  writeFileSync(file, `${text}\n`)
  process.stdout.write(`\n${sections.join('\n\n')}\n\nWritten to ${file}\n`)
}
