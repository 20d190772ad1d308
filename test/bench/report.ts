/** Prints what a bench found and keeps it: NAME.md, NAME.svg and NAME.json in test/bench/results/. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../lab/root.js'
import { chart } from './chart.js'
import { machine } from './machine.js'
import type { BenchOptions } from './options.js'
import {
  factTable,
  factVerdict,
  medianTable,
  ratioTable,
  sheetVerdicts,
  verdictTable,
  type Fact,
  type Sheet,
  type Verdict,
} from './sheet.js'

const FOLDER = join(ROOT, 'test/bench/results')

export interface Findings {
  name: string
  /** What was measured and how, so that somebody else can judge it. */
  claim: string
  sheets?: Sheet[]
  facts?: Fact[]
  notes?: string[]
}

/** What NAME.json holds. */
interface Kept extends Findings {
  measured: string
  /** How long the whole bench took. */
  tookS?: number
  machine: string[]
  verdicts: Verdict[]
}

export async function publish(findings: Findings, { quick, beganMs }: BenchOptions): Promise<void> {
  const { name, sheets = [], facts = [] } = findings
  const verdicts = [...sheets.flatMap(sheetVerdicts), ...facts.flatMap(factVerdict)]
  const measured = new Date().toISOString().slice(0, 10)
  const tookS = Math.round((performance.now() - beganMs) / 1000)
  const kept: Kept = { ...findings, measured, tookS, machine: await machine(), verdicts }
  const sections = [
    ...sheets.flatMap(sheet => [`## ${sheet.title}`, medianTable(sheet), ...ratios(sheet)]),
    ...(facts.length > 0 ? [factTable(facts)] : []),
    ...(verdicts.length > 0 ? ['## Targets', verdictTable(verdicts)] : []),
    ...(findings.notes ?? []),
  ]
  process.stdout.write(`\n${sections.join('\n\n')}\n`)
  if (quick) return
  mkdirSync(FOLDER, { recursive: true })
  const plot = sheets.length > 0 ? [`![${name}](${name}.svg)`] : []
  const text = [`# ${name}`, findings.claim, provenance(kept), ...plot, ...sections].join('\n\n')
  write(`${name}.md`, `${text}\n`)
  if (sheets.length > 0) write(`${name}.svg`, chart(sheets))
  write(`${name}.json`, `${JSON.stringify(kept, null, 2)}\n`)
  writeSummary()
  process.stdout.write(`\nWritten to ${join(FOLDER, `${name}.md`)}\n`)
}

/** All targets of all benches, from what each kept of its latest run. */
function writeSummary(): void {
  const kept = readdirSync(FOLDER)
    .filter(file => file.endsWith('.json'))
    .sort()
    .map(file => JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as Kept)
  const parts = kept.flatMap(one => [
    `## [${one.name}](${one.name}.md)`,
    provenance(one),
    verdictTable(one.verdicts),
  ])
  const missed = kept.flatMap(({ verdicts }) => verdicts).filter(({ met }) => !met).length
  const count = kept.flatMap(({ verdicts }) => verdicts).length
  const claim = `${count - missed} of ${count} targets met. Ratios are medians of ratios within one run.`
  write('summary.md', `${['# Summary', claim, ...parts].join('\n\n')}\n`)
}

const provenance = ({ measured, tookS, machine }: Kept): string =>
  [
    `Measured ${measured}${tookS === undefined ? '' : ` in ${tookS} s`} on:`,
    '',
    ...machine.map(line => `- ${line}`),
  ].join('\n')

const ratios = (sheet: Sheet): string[] =>
  Object.keys(sheet.rows[0]?.samples ?? {}).length > 1 ? [ratioTable(sheet)] : []

const write = (file: string, text: string): void => writeFileSync(join(FOLDER, file), text)
