/** The way of a probe through the service and the dataplane, as the runner sees it. */
import type { CheckedServer, CheckSpec } from './check-spec.js'
import type { Run } from './run.js'

export interface ServicePath {
  /**
   * Sees to it that what `run` sends next arrives at this server, whatever scheduler and weight say:
   * sets the run's source, and calls `ready`. Fails the run when that is not possible. What was
   * made is taken away with the run's end.
   */
  open(subject: CheckedServer, spec: CheckSpec, run: Run, ready: () => void): void
}
