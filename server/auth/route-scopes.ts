/** Which scope a route wants. What is in no table: `read` for reading, `write` for the rest. */
import type { Scope } from './scope.js'

/** Nobody has to say who they are: for load balancers in front, for browsers, for generators. */
const OPEN = new Set(['/healthz', '/readyz', '/openapi.json', '/openapi-3.0.json'])
const OPEN_BELOW = ['/docs', '/problems/']

/** By method and path. */
const SCOPES: Readonly<Record<string, Scope>> = {
  // These ask; nothing is stored.
  'POST /v1/simulations': 'read',
  'POST /v1/plans': 'read',
  'POST /v1/imports': 'read',
  // These leave the configuration alone.
  'POST /v1/stats/zero': 'operate',
  'DELETE /v1/connections': 'operate',
  'PUT /v1/virtual-services/:name/real-servers/:server/drain': 'operate',
  'DELETE /v1/virtual-services/:name/real-servers/:server/drain': 'operate',
  // Of drains; who may not configure may not take a change back either (server/routes/operations.ts).
  'POST /v1/operations/:id/cancel': 'operate',
  'DELETE /v1/operations/:id': 'operate',
  'PUT /v1/maintenances/:name': 'operate',
  'DELETE /v1/maintenances/:name': 'operate',
  'POST /v1/virtual-services/:name/real-servers/:server/checks/runs': 'operate',
  'PUT /v1/virtual-services/:name/real-servers/:server/checks/:check/state': 'operate',
  // What these hold is a secret, and they reach out of the appliance.
  'PUT /v1/webhooks/:name': 'admin',
  'DELETE /v1/webhooks/:name': 'admin',
  'POST /v1/webhooks/:name/tests': 'admin',
}
/** Whoever is on this host may, without saying who they are; others need the scope. */
const LOOPBACK = new Set(['/metrics'])
const ADMIN_BELOW = ['/v1/tokens', '/v1/audit-log']

/** Null: open to everybody. `url` is the route's pattern. */
export function scopeOf(method: string, url: string): Scope | null {
  if (OPEN.has(url) || OPEN_BELOW.some(start => isBelow(url, start))) return null
  if (ADMIN_BELOW.some(start => isBelow(url, start))) return 'admin'
  const listed = SCOPES[`${method} ${url}`]
  if (listed !== undefined) return listed
  return ['GET', 'HEAD', 'OPTIONS'].includes(method) ? 'read' : 'write'
}

/** Whether callers on this host need no scope; see `LOOPBACK`. */
export const isOpenOnLoopback = (url: string): boolean => LOOPBACK.has(url)

const isBelow = (url: string, start: string): boolean =>
  url === start || url.startsWith(start.endsWith('/') ? start : `${start}/`)
