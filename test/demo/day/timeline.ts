/** The day second by second: who answered how many, what failed, what happened. */
import { print, table } from '../screen.js'
import { isFailed } from './load.js'
import type { SteadyResult } from '../../lab/steady-format.js'

interface Happening {
  atMs: number
  what: string
}

export interface Part {
  name: string
  fromMs: number
  /** Infinity until the next part begins. */
  toMs: number
}

export interface PartCount {
  name: string
  requests: number
  failed: number
  /** Failed ones by reason, the most frequent first. */
  why: string
}

export class Timeline {
  readonly #now: () => number
  readonly #startedMs: number
  readonly #happenings: Happening[] = []
  readonly #parts: Part[] = []

  constructor(now: () => number) {
    this.#now = now
    this.#startedMs = now()
  }

  /** Requests count for the part in which they began. */
  part(name: string): void {
    const atMs = this.#now()
    const last = this.#parts.at(-1)
    if (last !== undefined) last.toMs = atMs
    this.#parts.push({ name, fromMs: atMs, toMs: Infinity })
  }

  /** Prints and remembers what happened just now. */
  note(what: string): void {
    const atMs = this.#now()
    this.#happenings.push({ atMs, what })
    print(`   ${this.#clock(atMs)}  ${what}`)
  }

  counts(results: readonly SteadyResult[]): PartCount[] {
    return this.#parts.map(part => {
      const own = results.filter(each => isWithin(part, each.startedMs))
      const failed = own.filter(isFailed)
      return {
        ...{ name: part.name, requests: own.length, failed: failed.length },
        why: tally(failed.map(({ kind, status, error }) => `${kind} ${error || status}`)),
      }
    })
  }

  /** One line a second, `servers` being the columns. */
  show(results: readonly SteadyResult[], servers: readonly string[]): void {
    const rows: string[][] = []
    const seconds = groupBy(results, each => this.#second(each.startedMs))
    const news = groupBy(this.#happenings, each => this.#second(each.atMs))
    const last = Math.max(...seconds.keys(), ...news.keys())
    for (let second = 0; second <= last; second++) {
      const own = seconds.get(second) ?? []
      const served = (name: string) => own.filter(each => !isFailed(each) && each.server === name)
      rows.push([
        String(second),
        ...servers.map(name => String(served(name).length || '·')),
        String(own.filter(isFailed).length || '·'),
        (news.get(second) ?? []).map(({ what }) => what).join('; '),
      ])
    }
    const head = ['second', ...servers, 'failed', '']
    table(leftLast([head, ...rows]))
  }

  #second = (atMs: number): number => Math.floor((atMs - this.#startedMs) / 1000)
  #clock = (atMs: number): string => `${((atMs - this.#startedMs) / 1000).toFixed(1)} s`.padStart(7)
}

function tally(reasons: readonly string[]): string {
  const counts = [...groupBy(reasons, reason => reason)].map(([reason, { length }]) => ({
    ...{ reason, length },
  }))
  counts.sort((a, b) => b.length - a.length)
  return counts.map(({ reason, length }) => `${length} ${reason}`).join(', ')
}

/** Text in the last column starts at its left. */
export function leftLast(rows: readonly (readonly string[])[]): string[][] {
  const width = Math.max(...rows.map(row => row.at(-1)!.length))
  return rows.map(row => [...row.slice(0, -1), row.at(-1)!.padEnd(width)])
}

const isWithin = ({ fromMs, toMs }: Part, atMs: number) => atMs >= fromMs && atMs < toMs

function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item)) ?? []
    group.push(item)
    groups.set(keyOf(item), group)
  }
  return groups
}
