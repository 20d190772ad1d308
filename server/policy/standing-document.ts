/** What of a standing is written down: only what a restart must not lose. */
import type { AllDown } from '../schemas/policy.js'
import type { Circumstances, Closed, Held, Ramp, ServerStanding, Standing } from './standing.js'

export interface StandingDocument {
  quorum: { held: boolean; since: string }
  fallback: Held<AllDown> | null
  priority: number
  /** Those that have something to remember; others take connections. */
  servers: Record<string, ServerDocument>
}

interface ServerDocument {
  taking: boolean
  closed: Held<Closed> | null
  open: Held<'FAIL_OPEN'> | null
  ramp: Omit<Ramp, 'startMs'> | null
}

/** Null: nothing but what everybody begins with. */
export function documentOf({ quorum, fallback, priority, servers }: Standing) {
  const noted = [...servers].flatMap(([name, { taking, closed, open, ramp }]) => {
    if (taking && open === null && ramp === null) return []
    const stored = ramp === null ? null : withoutStart(ramp)
    return [[name, { taking, closed, open, ramp: stored }] as const]
  })
  if (quorum.held && noted.length === 0) return null
  return { quorum, fallback, priority, servers: Object.fromEntries(noted) }
}

function withoutStart({ startedAt, durationMs, startShare }: Ramp): Omit<Ramp, 'startMs'> {
  return { startedAt, durationMs, startShare }
}

/** A ramp goes on where the wall clock says it is, but never before its beginning. */
export function standingFrom(document: StandingDocument, { now, nowMs }: Circumstances): Standing {
  const { quorum, fallback, priority, servers } = document
  const startMs = ({ startedAt }: { startedAt: string }) =>
    nowMs - Math.max(0, Date.parse(now) - Date.parse(startedAt))
  const entries = Object.entries(servers).map(
    ([name, { ramp, ...rest }]): [string, ServerStanding] => [
      name,
      {
        ...rest,
        ramp: ramp === null ? null : { ...ramp, startMs: startMs(ramp) },
        ...{ health: undefined, usable: rest.taking, present: true },
      },
    ],
  )
  return { quorum, fallback, priority, servers: new Map(entries), knowsAll: false }
}
