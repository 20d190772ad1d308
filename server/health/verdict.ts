/** What all checks of a server come to together. */
import type { CheckState } from './check-spec.js'
import type { HealthState } from './health-book.js'

/**
 * Up with `required` checks up; down as soon as the checks that have no verdict yet could not make
 * it up any more; unknown in between.
 */
export function verdictOf(states: readonly CheckState[], required: number): HealthState {
  const up = states.filter(state => state === 'up').length
  const unknown = states.filter(state => state === 'unknown').length
  if (up >= required) return 'up'
  return up + unknown < required ? 'down' : 'unknown'
}
