/** YAML 1.2 (core schema) in and out: the same values as JSON, nothing that JSON does not have. */
import { parseDocument, stringify, type YAMLParseError } from 'yaml'

/** As with JSON: no document of this API nests deeper than a few levels. */
const DEPTH_MAX = 32
const ALIASES_MAX = 100
const TOO_DEEP = `It is nested deeper than ${DEPTH_MAX} levels`
const TOO_MANY_ALIASES = `It has more than ${ALIASES_MAX} aliases, those within aliases counted`

export type YamlResult =
  | { value: unknown }
  | { fault: { kind: 'syntax' | 'duplicate'; line: number; column: number; detail: string } }

/** Reads one document. Line and column of the first fault start at 1. */
export function parseYaml(text: string): YamlResult {
  try {
    const document = parseDocument(text, {
      prettyErrors: true,
      uniqueKeys: true,
      logLevel: 'error',
    })
    const [error] = document.errors
    if (error !== undefined) {
      const { line = 1, col: column = 1 } = error.linePos?.[0] ?? {}
      const detail = wordsOf(error)
      const kind = error.code === 'DUPLICATE_KEY' ? 'duplicate' : 'syntax'
      return { fault: { kind, line, column, detail } }
    }
    const value: unknown = document.toJS({ maxAliasCount: ALIASES_MAX })
    if (isTooDeep(value, DEPTH_MAX)) return broken(TOO_DEEP)
    return { value }
  } catch (error) {
    // Nesting that exhausts the stack, or aliases that would exhaust memory.
    if (error instanceof RangeError) return broken(TOO_DEEP)
    const detail = error instanceof Error ? error.message : 'It cannot be read'
    return broken(detail.startsWith('Excessive alias') ? TOO_MANY_ALIASES : detail)
  }
}

/** The parser's own words, but for those that speak to programmers. */
function wordsOf({ code, message }: YAMLParseError): string {
  if (code === 'MULTIPLE_DOCS') return 'There is a second document; only one is taken'
  if (message.includes('call stack')) return TOO_DEEP
  return message.split(' at line ')[0]!.split('\n')[0]!.replace(/[.:]$/, '')
}

const broken = (detail: string): YamlResult => ({
  fault: { kind: 'syntax', line: 1, column: 1, detail },
})

function isTooDeep(value: unknown, left: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return left === 0 || Object.values(value).some(each => isTooDeep(each, left - 1))
}

export const formatYaml = (value: unknown): string =>
  stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 })
