/**
 * Looks for something in an answer. Answers are hostile input, and so may patterns be that somebody
 * wrote without thinking of `(a+)+$`: patterns run in V8's linear-time engine (the `l` flag of
 * RegExp, behind a switch of V8), whose time is the product of pattern and input, both bounded.
 * What that engine cannot run (back references, look-around, large counts) is refused when the
 * pattern is written down, not when it is used. Without the engine every pattern is refused.
 */
import { setFlagsFromString } from 'node:v8'
import type { Match } from './check-spec.js'

/** Octets of an answer that are looked at; probes read no more, whatever a check asks for. */
export const ANSWER_OCTETS_MAX = 256 * 1024
export const PATTERN_LENGTH_MAX = 256
/** Octets that a pattern is tried on: the worst ones take a tenth of a second for so many. */
export const PATTERN_OCTETS_MAX = 64 * 1024

// Read by V8 whenever a pattern is compiled, so that a change after start is seen.
setFlagsFromString('--enable-experimental-regexp-engine')

export interface Matcher {
  matches(answer: Buffer): boolean
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
      const description = `a match of ${quoted(match.pattern)}`
      const matches = (answer: Buffer) =>
        expression.test(answer.toString('utf8', 0, Math.min(answer.length, PATTERN_OCTETS_MAX)))
      return { matches, description }
    }
  }
}

const linear = (pattern: string) => new RegExp(pattern, 'l')

const quoted = (text: string) => JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text)
