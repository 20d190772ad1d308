/** Finds cases, replays them and prints what differed. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { replay, type CaseResult } from './replay.js'

/** Records of another shape, for table tests. */
const TABLES = 'tables'

/** Case files among these files and folders, in order. */
export function findCases(paths: readonly string[]): string[] {
  return paths.flatMap(path => {
    if (!statSync(path).isDirectory()) return [path]
    const entries = readdirSync(path, { withFileTypes: true })
      .filter(e => (e.isDirectory() ? e.name !== TABLES : e.name.endsWith('.json')))
      .map(e => join(path, e.name))
    return findCases(entries.sort())
  })
}

export interface Total {
  passed: number
  failed: number
}

/** One line for each difference; `verbose` tells the steps of each case too. */
export async function runCases(
  paths: readonly string[],
  print: (line: string) => void,
  verbose = false,
): Promise<Total> {
  const total = { passed: 0, failed: 0 }
  for (const path of findCases(paths)) {
    const result = await replay(path, verbose ? text => print(`  ${text}`) : undefined)
    if (hasPassed(result)) {
      total.passed++
      if (verbose) print(`${result.name}: passed`)
    } else {
      total.failed++
      for (const line of reportLines(result)) print(line)
    }
  }
  print(`${total.passed} passed, ${total.failed} failed`)
  return total
}

export const hasPassed = (result: CaseResult): boolean =>
  result.error === null && result.differences.length === 0

export function reportLines({ name, differences, error }: CaseResult): string[] {
  const lines = differences.map(
    d => `${name}, ${d.step}: expected ${d.expected}\n    seen ${d.seen}`,
  )
  if (error !== null) lines.push(`${name}: ${error}`)
  return lines
}
