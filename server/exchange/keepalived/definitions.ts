/** `$NAME=value` of keepalived.conf, and what `$NAME` and `${NAME}` become. */
import { LINE_LENGTH_MAX, REPLACEMENTS_MAX } from '../limits.js'

export interface Definition {
  /** More than one: a block of lines, which only stands at the end of a line. */
  lines: string[]
}

export interface Substituted {
  text: string
  /** Lines that follow, from a block. */
  rest: readonly string[]
  /** Why it could not be finished; null when it could. */
  fault: string | null
}

const USE = /\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*)(?=[ \t,)]|$))/g

export class Definitions {
  readonly #values = new Map<string, Definition>([
    ['_HASH', { lines: ['#'] }],
    ['_BANG', { lines: ['!'] }],
  ])

  constructor(configId: string | null) {
    if (configId !== null) this.set('_INSTANCE', [configId])
  }

  set(name: string, lines: string[]): void {
    this.#values.set(name, { lines })
  }

  /** Replaces what is defined, again and again; what is not defined stays as it is written. */
  substitute(line: string): Substituted {
    let text = line
    let rest: readonly string[] = []
    let from = 0
    for (let n = 0; ; n++) {
      const use = this.#next(text, from)
      if (use === null) return { text, rest, fault: null }
      if (n >= REPLACEMENTS_MAX) return broken(text, 'A definition seems to contain itself.')
      const [first = '', ...others] = use.definition.lines
      text = text.slice(0, use.at) + first + text.slice(use.end)
      if (text.length > LINE_LENGTH_MAX)
        return broken(text, `Definitions make the line longer than ${LINE_LENGTH_MAX} characters.`)
      if (others.length > 0) rest = [...others, ...rest]
      // A sequence is unrolled first; its own rest is looked at then.
      if (first.trimStart().startsWith('~')) return { text, rest, fault: null }
      from = use.at
    }
  }

  #next(text: string, from: number) {
    USE.lastIndex = from
    for (let found = USE.exec(text); found !== null; found = USE.exec(text)) {
      const definition = this.#values.get(found[1] ?? found[2]!)
      const end = found.index + found[0].length
      if (definition === undefined || (definition.lines.length > 1 && end < text.length)) continue
      return { definition, at: found.index, end }
    }
    return null
  }
}

const broken = (text: string, fault: string): Substituted => ({ text, rest: [], fault })
