/** What a write is planned on, and what every planned write says about itself. */
import type { Draft } from './draft.js'
import type { Stamp } from './next-records.js'
import type { Problem } from '../errors.js'

export interface Ground {
  draft: Draft
  stamp: Stamp
  /** Who made a revision, when and what it changed, in words; null when that is not known any more. */
  tell: (revision: number, dated?: 'dated') => string | null
}

/** What a write is going to answer with. */
export interface Planned<T> {
  status: 200 | 201 | 204
  /** Of which virtual service the answer speaks, if it is one alone. */
  about?: string
  /** The answer, once it is in force. */
  body: () => T
  /** To be thrown once everything before it is in force; the write itself changes nothing. */
  problem?: Problem
}

/**
 * Checks a write and notes in the draft what it changes; throws a Problem when it cannot be. May be
 * called more than once, each time with a draft of its own.
 */
export type Plan<T> = (ground: Ground) => Planned<T>
