/**
 * Sheets as one SVG: for each case a bar a contender, as long as its median, with a line from the
 * lowest to the highest round. Each sheet has a scale of its own, from zero.
 */
import { contendersOf, type Sheet } from './sheet.js'
import { median } from './statistics.js'
import { element, svg } from './svg.js'

const WIDTH = 900
const LABELS = 230
const VALUES = 110
const BAR = 14
const GAP = 12
const HEAD = 56
const COLOURS = ['#1b6ca8', '#5a5a5a', '#d1762b', '#3d8b56', '#8c5aa8', '#b0413e']

export function chart(sheets: readonly Sheet[]): string {
  const parts: string[] = []
  let y = 0
  for (const sheet of sheets) {
    parts.push(...panel(sheet, y))
    y += heightOf(sheet)
  }
  return svg(WIDTH, y + GAP, parts)
}

const heightOf = (sheet: Sheet): number =>
  HEAD + sheet.rows.length * (contendersOf(sheet).length * BAR + GAP)

function panel(sheet: Sheet, top: number): string[] {
  const names = contendersOf(sheet)
  const values = sheet.rows.flatMap(({ samples }) => Object.values(samples).flat())
  const most = Math.max(...values.filter(Number.isFinite), Number.MIN_VALUE)
  const scale = (WIDTH - LABELS - VALUES) / most
  const title = `${sheet.title}, ${sheet.unit}`
  const parts = [
    element('text', { x: 12, y: top + 24, 'font-size': 15, 'font-weight': 'bold' }, title),
    ...names.flatMap((name, i) => legend(name, i, top + 36)),
  ]
  sheet.rows.forEach((row, i) => {
    const y = top + HEAD + i * (names.length * BAR + GAP)
    const middle = y + (names.length * BAR) / 2 + 4
    parts.push(
      element(
        'text',
        { x: LABELS - 8, y: middle, 'text-anchor': 'end', 'font-size': 12 },
        row.name,
      ),
    )
    names.forEach((name, at) => {
      const rounds = row.samples[name]
      if (rounds && rounds.length > 0)
        parts.push(...bar(rounds, y + at * BAR, { scale, at, digits: sheet.digits }))
    })
  })
  return parts
}

interface Look {
  scale: number
  at: number
  digits: number
}

function bar(rounds: readonly number[], y: number, { scale, at, digits }: Look): string[] {
  const length = median(rounds) * scale
  const [low, high] = [Math.min(...rounds) * scale, Math.max(...rounds) * scale]
  const middle = y + BAR / 2
  const line = { x1: LABELS + low, x2: LABELS + high, y1: middle, y2: middle, stroke: '#000' }
  const end = LABELS + Math.max(length, high) + 6
  return [
    element('rect', { x: LABELS, y: y + 1, width: length, height: BAR - 2, fill: colour(at) }),
    element('line', { ...line, 'stroke-width': 1.5 }),
    element('text', { x: end, y: middle + 4, 'font-size': 11 }, median(rounds).toFixed(digits)),
  ]
}

function legend(name: string, at: number, y: number): string[] {
  const x = 12 + at * 170
  return [
    element('rect', { x, y, width: 10, height: 10, fill: colour(at) }),
    element('text', { x: x + 15, y: y + 9, 'font-size': 11 }, name),
  ]
}

const colour = (at: number): string => COLOURS[at % COLOURS.length]!
