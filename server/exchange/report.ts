/** What became of each line of a foreign configuration. */
import { ACTIONS, type Action } from '../schemas/exchange.js'

export interface Entry {
  /** From 1. */
  line: number
  /** Where in the line it begins, from 1. */
  column: number
  /** The line, or what became of it by substitution; long ones are cut. */
  text: string
  action: Action
  /** Absent when there is nothing to say beyond `taken`. */
  reason?: string
  /** What it made: JSON Pointer into the document. */
  pointer?: string
}

export type Summary = Record<Action, number>

const TEXT_MAX = 200
/** One line can be wrong for every service that it stands for. */
const REASONS_MAX = 400

export class Report {
  readonly entries: Entry[] = []

  add(where: Pick<Entry, 'line' | 'column' | 'text'>, action: Action, reason?: string): Entry {
    const { line, column, text } = where
    const entry: Entry = { line, column, text: cut(text, TEXT_MAX), action }
    if (reason !== undefined) entry.reason = reason
    this.entries.push(entry)
    return entry
  }

  summary(): Summary {
    const counts: Summary = { taken: 0, changed: 0, ignored: 0, refused: 0 }
    for (const { action } of this.entries) counts[action]++
    return counts
  }

  /** In the order of the lines, whenever each was understood. */
  sorted(): Entry[] {
    return this.entries.sort((a, b) => a.line - b.line || a.column - b.column)
  }
}

/** The worst thing that is said about a line stands; all reasons are kept. */
export function mark(entry: Entry, action: Action, reason: string): void {
  if (ACTIONS.indexOf(action) > ACTIONS.indexOf(entry.action)) entry.action = action
  if (entry.reason === undefined) entry.reason = reason
  else if (!entry.reason.includes(reason) && entry.reason.length < REASONS_MAX)
    entry.reason = `${entry.reason} ${reason}`
}

const cut = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, most - 1)}…`
