/**
 * Finds what is wrong with a JSON text (RFC 8259): syntax with line and column, fields that appear
 * twice in one object (JSON.parse would drop one in silence), nesting too deep to be a document.
 */
export interface JsonFault {
  kind: 'syntax' | 'duplicate'
  line: number
  column: number
  detail: string
  /** Of the second field of a pair. */
  name?: string
}

/** No document of this API nests deeper than five; recursion elsewhere relies on this bound. */
const DEPTH_MAX = 32

const LITERAL = /(?:true|false|null)(?![A-Za-z0-9_])/y
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])/y
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y
const QUOTE = 0x22
const BACKSLASH = 0x5c
const FIRST_PRINTABLE = 0x20
const SPACE = /[ \t\n\r]*/y

/** Null when the text is sound, and JSON.parse gives all of it. */
export function faultOf(text: string): JsonFault | null {
  return new Scanner(text).run()
}

class Stop extends Error {
  readonly fault: JsonFault
  constructor(fault: JsonFault) {
    super(fault.detail)
    this.fault = fault
  }
}

class Scanner {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  run(): JsonFault | null {
    try {
      this.#value(0)
      this.#space()
      if (this.#at < this.#text.length) this.#fail('Expected the end of the document')
      return null
    } catch (error) {
      if (error instanceof Stop) return error.fault
      throw error
    }
  }

  #value(depth: number): void {
    this.#space()
    const first = this.#text[this.#at]
    if (depth > DEPTH_MAX) this.#fail(`Nested deeper than ${DEPTH_MAX} levels`)
    if (first === '{') this.#object(depth)
    else if (first === '[') this.#array(depth)
    else if (first === '"') this.#string('a value')
    else if (!this.#match(LITERAL) && !this.#match(NUMBER)) this.#fail('Expected a value')
  }

  #object(depth: number): void {
    const names = new Set<string>()
    this.#at++
    this.#space()
    if (this.#take('}')) return
    for (;;) {
      this.#space()
      const start = this.#at
      const name = JSON.parse(this.#string('a field name in double quotes')) as string
      if (names.has(name)) {
        const shown = name.slice(0, 64)
        this.#stop('duplicate', `The field '${shown}' appears twice in one object`, start, shown)
      }
      names.add(name)
      this.#space()
      if (!this.#take(':')) this.#fail("Expected ':' after the field name")
      this.#value(depth + 1)
      this.#space()
      if (this.#take('}')) return
      if (!this.#take(',')) this.#fail("Expected ',' or '}'")
    }
  }

  #array(depth: number): void {
    this.#at++
    this.#space()
    if (this.#take(']')) return
    for (;;) {
      this.#value(depth + 1)
      this.#space()
      if (this.#take(']')) return
      if (!this.#take(',')) this.#fail("Expected ',' or ']'")
    }
  }

  #string(wanted: string): string {
    const start = this.#at
    if (this.#text[start] !== '"') this.#fail(`Expected ${wanted}`)
    this.#at++
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code === QUOTE) break
      if (code === BACKSLASH) {
        if (!this.#match(ESCAPE)) this.#fail('Expected a valid escape sequence')
      } else if (code >= FIRST_PRINTABLE) this.#at++
      else if (Number.isNaN(code)) this.#fail('This string is not closed', start)
      else this.#fail('Control characters are written as escapes in a string')
    }
    this.#at++
    return this.#text.slice(start, this.#at)
  }

  #match(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at
    if (!pattern.test(this.#text)) return false
    this.#at = pattern.lastIndex
    return true
  }

  #space(): void {
    this.#match(SPACE)
  }

  #take(mark: string): boolean {
    if (this.#text[this.#at] !== mark) return false
    this.#at++
    return true
  }

  #fail(detail: string, at = this.#at): never {
    const found = this.#text[this.#at]
    const shown = found === undefined ? 'the text ends' : `found ${JSON.stringify(found)}`
    this.#stop('syntax', `${detail}, but ${shown}`, at)
  }

  #stop(kind: JsonFault['kind'], detail: string, at: number, name?: string): never {
    const before = this.#text.slice(0, at)
    const line = before.split('\n').length
    const column = at - before.lastIndexOf('\n')
    throw new Stop({ kind, line, column, detail, ...(name === undefined ? {} : { name }) })
  }
}
