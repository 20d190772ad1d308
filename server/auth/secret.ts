/** The text of a token: 256 random bits behind a prefix that people and scanners recognise. */
import { createHash, randomBytes } from 'node:crypto'

const PREFIX = 'sluice_'
const PATTERN = /sluice_[\w-]{43}/g

export const newSecret = (): string => `${PREFIX}${randomBytes(32).toString('base64url')}`

/**
 * SHA-256 is enough: what it hides has 256 bits of entropy, so there is nothing to guess that a slow
 * hash would protect, and a slow one would be a price on every request.
 */
export const hashOf = (secret: string): Buffer => createHash('sha256').update(secret).digest()

/** A text without the tokens in it, for logs and answers: people put them in the wrong places. */
export const conceal = (text: string): string =>
  text.includes(PREFIX) ? text.replaceAll(PATTERN, `${PREFIX}***`) : text
