/**
 * What a bench found, as data: sheets compare contenders case by case, facts stand alone. Targets
 * are part of them, so that every figure is printed beside what it should be.
 */
import { markdownTable } from './markdown.js'
import { median, quotients } from './statistics.js'

/** The contender that a ratio is of, unless a row says otherwise. */
export const OWN = 'Sluice'

export interface Bound {
  /** Which side of the value is right. */
  side: 'least' | 'most'
  value: number
}

export interface Target extends Bound {
  against: string
  /** The slowest of all rounds, instead of their median. */
  worst?: boolean
}

export interface Row {
  name: string
  /** One value for each round, by contender. A contender that cannot do it is missing. */
  samples: Record<string, number[]>
  targets: readonly Target[]
}

export interface Sheet {
  title: string
  unit: string
  digits: number
  rows: Row[]
}

export interface Fact {
  name: string
  value: number
  unit: string
  digits: number
  target?: Bound
}

export interface Verdict {
  name: string
  measured: string
  target: string
  met: boolean
}

export const least = (against: string, value: number, worst = false): Target => ({
  ...{ side: 'least', against, value, worst },
})
export const most = (against: string, value: number, worst = false): Target => ({
  ...{ side: 'most', against, value, worst },
})

/** Contenders in order of their first appearance. */
export const contendersOf = (sheet: Sheet): string[] => [
  ...new Set(sheet.rows.flatMap(({ samples }) => Object.keys(samples))),
]

/** Medians with their range. */
export function medianTable(sheet: Sheet): string {
  const names = contendersOf(sheet)
  const text = (value: number) => value.toFixed(sheet.digits)
  const rows = sheet.rows.map(({ name, samples }) => [
    name,
    ...names.map(contender => {
      const values = samples[contender]
      if (!values || values.length === 0) return '-'
      const range = `${text(Math.min(...values))} to ${text(Math.max(...values))}`
      return `${text(median(values))} (${range})`
    }),
  ])
  return markdownTable([[`${sheet.unit}: median (lowest to highest)`, ...names], ...rows])
}

/** Medians of each round's own ratio, Sluice to each peer. */
export function ratioTable(sheet: Sheet): string {
  const peers = contendersOf(sheet).filter(name => name !== OWN)
  const rows = sheet.rows.map(({ name, samples }) => [
    name,
    ...peers.map(peer => {
      const ratios = quotients(samples[OWN] ?? [], samples[peer] ?? [])
      return ratios.length === 0 ? '-' : median(ratios).toFixed(2)
    }),
  ])
  return markdownTable([[`${OWN} as a multiple of`, ...peers], ...rows])
}

/** Every target of a sheet, and whether it was met. Rows without the peer have none. */
export function sheetVerdicts(sheet: Sheet): Verdict[] {
  return sheet.rows.flatMap(({ name, samples, targets }) =>
    targets.flatMap(target => {
      const ratios = quotients(samples[OWN] ?? [], samples[target.against] ?? [])
      if (ratios.length === 0) return []
      const { side, against, value, worst } = target
      const end = side === 'least' ? Math.min(...ratios) : Math.max(...ratios)
      const ratio = worst ? end : median(ratios)
      return {
        name: `${sheet.title}: ${name}${worst ? `, worst of ${ratios.length}` : ''}`,
        measured: `${ratio.toFixed(2)} of ${against}`,
        target: `at ${side} ${value}`,
        met: isMet(target, ratio),
      }
    }),
  )
}

export function factVerdict({ name, value, unit, digits, target }: Fact): Verdict[] {
  if (!target) return []
  return [
    {
      name,
      measured: `${value.toFixed(digits)} ${unit}`.trim(),
      target: `at ${target.side} ${target.value} ${unit}`.trim(),
      met: isMet(target, value),
    },
  ]
}

export function factTable(facts: readonly Fact[]): string {
  const rows = facts.map(({ name, value, unit, digits, target }) => [
    name,
    `${value.toFixed(digits)} ${unit}`.trim(),
    target ? `at ${target.side} ${target.value} ${unit}`.trim() : '',
  ])
  return markdownTable([['what', 'measured', 'target'], ...rows])
}

export function verdictTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ name, measured, target, met }) => [
    ...[name, measured, target, met ? 'met' : 'missed'],
  ])
  return markdownTable([['what', 'measured', 'target', ''], ...rows])
}

const isMet = ({ side, value }: Bound, measured: number): boolean =>
  side === 'least' ? measured >= value : measured <= value
