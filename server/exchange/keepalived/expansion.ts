/**
 * From the text of a keepalived.conf to the lines that its parser acts on: without comments, with
 * conditional lines decided, definitions replaced and sequences unrolled. Files that it includes are
 * not here, so `include` is reported.
 */
import { DEPTH_MAX, EXPANDED_LINES_MAX, LINE_LENGTH_MAX, LINES_MAX } from '../limits.js'
import { mark, type Entry, type Report } from '../report.js'
import { Definitions } from './definitions.js'
import { readSequence } from './sequence.js'
import { withoutComment, wordsOf } from './words.js'

export interface Line {
  /** In the text as it was given, both from 1. */
  line: number
  column: number
  text: string
  /** Whether offsets in `text` are offsets in the line as it was given. */
  isVerbatim: boolean
}

const DEFINITION = /^\$([A-Za-z_]\w*)[ \t]*=[ \t]*(.*)$/s
const CONDITION = /^@(\^?)(\S*)(?:\s+(.*))?$/s
const INCLUDE = /^include[rmwbat]?$/

export function expand(text: string, configId: string | null, report: Report): Line[] {
  const expansion = new Expansion(configId, report)
  let start = 0
  for (let line = 1; start < text.length && !expansion.isFull; line++) {
    const newline = text.indexOf('\n', start)
    const end = newline < 0 ? text.length : newline
    if (line > LINES_MAX) expansion.stop(line, `A text has at most ${LINES_MAX} lines.`)
    else expansion.read(line, text.slice(start, end))
    start = end + 1
  }
  return expansion.lines
}

class Expansion {
  readonly lines: Line[] = []
  isFull = false
  readonly #configId: string | null
  readonly #report: Report
  readonly #definitions: Definitions
  /** A definition of several lines that is still open. */
  #open: { name: string; lines: string[] } | null = null
  #steps = 0

  constructor(configId: string | null, report: Report) {
    this.#configId = configId
    this.#report = report
    this.#definitions = new Definitions(configId)
  }

  stop(line: number, reason: string): void {
    this.isFull = true
    const where = { line, column: 1, text: '' }
    this.#report.add(where, 'refused', `${reason} From here on nothing was read.`)
  }

  read(line: number, raw: string): void {
    if (raw.length > LINE_LENGTH_MAX) {
      const reason = `The line is longer than ${LINE_LENGTH_MAX} characters.`
      this.#report.add({ line, column: 1, text: raw }, 'refused', reason)
      return
    }
    const { text, at } = withoutComment(raw.replace(/\r$/, ''))
    const where = { line, column: at + 1, text, isVerbatim: true }
    if (this.#open !== null) return this.#continue(this.#open, where)
    if (text !== '') this.#process(where, 0)
  }

  #continue(open: { name: string; lines: string[] }, where: Line): void {
    const { text } = where
    const goesOn = text.endsWith('\\')
    const part = goesOn ? text.slice(0, -1).trimEnd() : text
    if (text !== '') this.#report.add(where, 'taken', `Part of the definition of $${open.name}.`)
    if (part !== '') open.lines.push(part)
    // A blank line ends it as well, whatever the line before it said.
    if (goesOn) return
    this.#definitions.set(open.name, open.lines)
    this.#open = null
  }

  #process(where: Line, depth: number): void {
    if (this.isFull) return
    if (++this.#steps > EXPANDED_LINES_MAX)
      return this.stop(where.line, `Definitions make more than ${EXPANDED_LINES_MAX} lines.`)
    if (depth > DEPTH_MAX) return this.#refuse(where, 'A definition seems to contain itself.')
    const { text } = where
    if (text.startsWith('@')) return this.#condition(where, depth)
    const definition = DEFINITION.exec(text)
    if (definition !== null) return this.#define(where, definition[1]!, definition[2]!)
    if (text.startsWith('~')) return this.#repeat(where, depth)
    const { text: replaced, rest, fault } = this.#definitions.substitute(text)
    if (fault !== null) return this.#refuse({ ...where, text: replaced }, fault)
    if (replaced === text) return this.#emit(where)
    const made = { ...where, isVerbatim: false }
    const first = replaced.trim()
    if (first !== '') this.#process({ ...made, text: first }, depth + 1)
    for (const each of rest) this.#process({ ...made, text: each }, depth + 1)
  }

  #condition(where: Line, depth: number): void {
    const [, not, id = '', rest] = CONDITION.exec(where.text)!
    const holds = (this.#configId !== null && id === this.#configId) !== (not === '^')
    if (!holds || rest === undefined) {
      const chosen = this.#configId === null ? 'none is chosen' : `'${this.#configId}' is chosen`
      this.#report.add(where, 'ignored', `It is for another configuration id; ${chosen}.`)
      return
    }
    this.#process(
      { ...where, text: rest, column: where.column + where.text.length - rest.length },
      depth + 1,
    )
  }

  #define(where: Line, name: string, value: string): void {
    this.#report.add(where, 'taken', `The definition of $${name}.`)
    if (!value.endsWith('\\') || !where.isVerbatim) {
      this.#definitions.set(name, [value.replace(/[ \t]*\\$/, '')])
      return
    }
    const first = value.slice(0, -1).trimEnd()
    this.#open = { name, lines: first === '' ? [] : [first] }
  }

  #repeat(where: Line, depth: number): void {
    const sequence = readSequence(where.text)
    if (sequence === null) return this.#refuse(where, 'Not a well-formed ~SEQ or ~LST.')
    const { names, rounds, body } = sequence
    for (const values of rounds) {
      if (this.isFull) return
      names.forEach((name, i) => this.#definitions.set(name, [values[i]!]))
      if (body !== '') this.#process({ ...where, text: body, isVerbatim: false }, depth + 1)
      else this.#steps++
      if (this.#steps > EXPANDED_LINES_MAX) return this.stop(where.line, 'A sequence is too long.')
    }
    if (body === '') this.#report.add(where, 'ignored', 'Nothing follows the sequence.')
  }

  #emit(where: Line): void {
    const [keyword] = wordsOf(where.text)
    if (keyword !== undefined && INCLUDE.test(keyword.text)) {
      const reason = 'Included files are not part of the text; import them one by one.'
      this.#report.add(where, 'ignored', reason)
      return
    }
    this.lines.push(where)
  }

  #refuse(where: Line, reason: string): void {
    const entry: Entry = this.#report.add(where, 'refused')
    mark(entry, 'refused', reason)
  }
}
