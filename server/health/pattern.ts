/**
 * Looks for something in an answer. Answers are hostile input, and so may patterns be that somebody
 * wrote without thinking of `(a+)+$`: patterns run in V8's linear-time engine (the `l` flag of
 * RegExp, behind a switch of V8), whose time is the product of pattern and input, both bounded.
 * What that engine cannot run (back references, look-around, large counts) is refused when the
 * pattern is written down, not when it is used. Without the engine every pattern is refused.
 * Linear is not always quick: a pattern of 256 characters can have the engine follow hundreds of ways
 * at once, minutes for one answer. So a search is broken off after a time as well.
 */
import { setFlagsFromString } from 'node:v8'
import { createContext, Script } from 'node:vm'
import type { Match } from './check-spec.js'

/** Octets of an answer that are looked at; probes read no more, whatever a check asks for. */
export const ANSWER_OCTETS_MAX = 256 * 1024
export const PATTERN_LENGTH_MAX = 256
/** Octets that a pattern is tried on. */
export const PATTERN_OCTETS_MAX = 64 * 1024
/**
 * Of one search, in the thread of all checks. Reasonable patterns take 20 ms for the longest answer;
 * the rest is for machines that are busy otherwise. Far below what a hung thread is known by.
 */
export const PATTERN_TIME_MS = 500
/** Of the next ones with a pattern that took longer, so that many servers with it leave others theirs. */
export const HARD_PATTERN_TIME_MS = 50

// Read by V8 whenever a pattern is compiled, so that a change after start is seen.
setFlagsFromString('--enable-experimental-regexp-engine')

/** For people, of a search that was broken off. */
export const TOO_LONG = `The pattern is too hard: it may take ${PATTERN_TIME_MS} ms, then ${HARD_PATTERN_TIME_MS} ms.`

export interface Matcher {
  /** Null: it could not be told in time. */
  matches(answer: Buffer): boolean | null
  /** What is looked for, for a sentence. */
  description: string
}

/** Why a pattern cannot be used, or null. */
export function faultOfPattern(pattern: string): string | null {
  if (pattern.length > PATTERN_LENGTH_MAX)
    return `it has ${pattern.length} characters, more than ${PATTERN_LENGTH_MAX}`
  try {
    linear(pattern)
    return null
  } catch (error) {
    const text = (error as Error).message
    if (/linear time/.test(text))
      return 'it cannot be matched in linear time: back references, look-around and counts above 16 are not possible'
    return text.replace(/^Invalid regular expression: /, '')
  }
}

/** Throws on a pattern that has a fault. Pattern and text meet the answer as UTF-8. */
export function matcherOf(match: Match): Matcher {
  switch (match.kind) {
    case 'text': {
      const octets = Buffer.from(match.text)
      return { matches: answer => answer.includes(octets), description: quoted(match.text) }
    }
    case 'hex': {
      const octets = Buffer.from(match.hex, 'hex')
      return { matches: answer => answer.includes(octets), description: `octets ${match.hex}` }
    }
    case 'pattern': {
      const fault = faultOfPattern(match.pattern)
      if (fault !== null) throw new RangeError(`pattern ${quoted(match.pattern)}: ${fault}`)
      const expression = linear(match.pattern)
      const description = `text like ${quoted(match.pattern)}`
      const matches = (answer: Buffer) =>
        search(expression, answer.toString('utf8', 0, Math.min(answer.length, PATTERN_OCTETS_MAX)))
      return { matches, description }
    }
  }
}

/** Patterns whose last search was broken off. */
const hard = new Set<string>()
const HARD_MAX = 1000

const place = createContext({ expression: /^$/, text: '' })
const SEARCH = new Script('expression.test(text)')

/** Only a script's run has a time limit in Node.js; V8's engine stops where it is. */
function search(expression: RegExp, text: string): boolean | null {
  Object.assign(place, { expression, text })
  const { source } = expression
  const timeout = hard.has(source) ? HARD_PATTERN_TIME_MS : PATTERN_TIME_MS
  try {
    const found = SEARCH.runInContext(place, { timeout }) as boolean
    hard.delete(source)
    return found
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
    if (hard.size >= HARD_MAX) hard.clear()
    hard.add(source)
    return null
  }
}

const linear = (pattern: string) => new RegExp(pattern, 'l')

const quoted = (text: string) => JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text)
