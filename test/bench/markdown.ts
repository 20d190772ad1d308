/** A Markdown table whose columns line up: the first to the left, numbers to the right. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(3, ...rows.map(row => row[i]!.length)))
  const line = (row: readonly string[]) => {
    const cells = row.map((cell, i) => (i ? cell.padStart(widths[i]!) : cell.padEnd(widths[0]!)))
    return `| ${cells.join(' | ')} |`
  }
  const rule = widths.map((width, i) => (i ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)))
  return [line(rows[0]!), `| ${rule.join(' | ')} |`, ...rows.slice(1).map(line)].join('\n')
}
