/**
 * Options the way libpopt reads them: long ones with `=value` or the next argument, bundles of
 * short ones whose last may take the rest of the bundle or the next argument (whatever it begins
 * with), optional values only when the next argument is no option, `--` ending the options, and
 * everything else left over for later.
 */
export interface OptionRow<Id extends string> {
  id: Id
  long: string
  short?: string
  value?: 'required' | 'optional'
}

export type Read<Id extends string> =
  | { kind: 'option'; id: Id; value: string | null; word: string }
  | { kind: 'end' }
  | { kind: 'bad'; word: string; reason: string }

const UNKNOWN = 'unknown option'
const MISSING = 'missing argument'
const UNWANTED = 'option does not take an argument'

export class OptionReader<Id extends string> {
  readonly leftover: string[] = []
  readonly #args: readonly string[]
  readonly #rows: readonly OptionRow<Id>[]
  #next = 0
  /** The argument that the last option stood in. */
  #word = ''
  /** Short options of the current bundle that are still to be read. */
  #bundle: string | null = null

  /** Of the argument that was read last, from 0. */
  get last(): number {
    return this.#next - 1
  }

  constructor(args: readonly string[], rows: readonly OptionRow<Id>[]) {
    this.#args = args
    this.#rows = rows
  }

  next(): Read<Id> {
    if (this.#bundle !== null) return this.#short(this.#bundle)
    while (this.#next < this.#args.length) {
      const word = this.#args[this.#next++]!
      if (word === '--') {
        this.leftover.push(...this.#args.slice(this.#next))
        this.#next = this.#args.length
        break
      }
      if (word === '-' || !word.startsWith('-')) {
        this.leftover.push(word)
        continue
      }
      this.#word = word
      return word.startsWith('--') ? this.#long(word.slice(2)) : this.#short(word.slice(1))
    }
    return { kind: 'end' }
  }

  #long(text: string): Read<Id> {
    const equals = text.indexOf('=')
    const name = equals < 0 ? text : text.slice(0, equals)
    const row = this.#rows.find(r => r.long === name)
    if (row === undefined) return this.#bad(UNKNOWN)
    if (equals < 0) return this.#valued(row, null)
    if (row.value === undefined) return this.#bad(UNWANTED)
    return this.#valued(row, text.slice(equals + 1))
  }

  #short(bundle: string): Read<Id> {
    this.#bundle = null
    const row = this.#rows.find(r => r.short !== undefined && r.short === bundle[0])
    if (row === undefined) return this.#bad(UNKNOWN)
    if (bundle.length === 1) return this.#valued(row, null)
    const rest = bundle[1] === '=' ? bundle.slice(2) : bundle.slice(1)
    if (row.value !== undefined) return this.#valued(row, rest)
    if (rest.startsWith('=')) return this.#bad(UNWANTED)
    this.#bundle = rest
    return this.#valued(row, null)
  }

  #valued(row: OptionRow<Id>, attached: string | null): Read<Id> {
    let value = attached
    if (row.value !== undefined && value === null) {
      const next = this.#args[this.#next]
      if (next === undefined) {
        if (row.value === 'required') return this.#bad(MISSING)
      } else if (row.value === 'required' || !next.startsWith('-')) {
        value = next
        this.#next++
        // popt names the argument it read last, which from here on is the value.
        this.#word = next
      }
    }
    return { kind: 'option', id: row.id, value, word: this.#word }
  }

  #bad(reason: string): Read<Id> {
    return { kind: 'bad', word: this.#word, reason }
  }
}
