/**
 * Contenders take turns on the same wires within one run, in another order each round, because only
 * ratios from one run count: the machine's own speed swings by more than they differ.
 */
import type { Contender } from '../lab/contender.js'
import type { Row } from './sheet.js'

export interface Case extends Pick<Row, 'name' | 'targets'> {
  /** Contenders that can do it; all when absent. */
  suits?: (contender: string) => boolean
}

interface Plan<C extends Case> {
  contenders: readonly Contender[]
  cases: readonly C[]
  rounds: number
  unit: string
  digits: number
}

/** One value for each round, contender and case. */
export async function takeTurns<C extends Case>(
  { contenders, cases, rounds, unit, digits }: Plan<C>,
  measure: (one: C, contender: Contender) => Promise<number>,
): Promise<Row[]> {
  const rows: Row[] = cases.map(({ name, targets }) => ({ name, targets, samples: {} }))
  for (let round = 0; round < rounds; round++) {
    for (const contender of turned(contenders, round)) {
      await contender.start()
      for (const [i, one] of cases.entries()) {
        if (one.suits && !one.suits(contender.name)) continue
        const value = await measure(one, contender)
        const { samples } = rows[i]!
        samples[contender.name] = [...(samples[contender.name] ?? []), value]
        say(contender.name, one.name, `${value.toFixed(digits)} ${unit}`)
      }
      await contender.stop()
    }
  }
  return rows.map(row => ({ ...row, samples: inOrder(row.samples, contenders) }))
}

/** One line of progress. */
export function say(who: string, what: string, value: string): void {
  process.stdout.write(`${who.padEnd(18)} ${what.padEnd(34)} ${value}\n`)
}

export const turned = <T>(list: readonly T[], by: number): T[] => {
  const at = by % list.length
  return [...list.slice(at), ...list.slice(0, at)]
}

function inOrder(samples: Row['samples'], contenders: readonly Contender[]): Row['samples'] {
  const known = contenders.filter(({ name }) => samples[name])
  return Object.fromEntries(known.map(({ name }) => [name, samples[name]!]))
}
