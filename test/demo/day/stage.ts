/** What the parts of the day work with. */
import { SERVER_NAMES, serverAddress, VIP, type ServerName } from '../../lab/cast.js'
import { HTTP_PORT } from '../../lab/real-server.js'
import type { Sluice } from '../../lab/sluice.js'
import { pause } from '../../lab/until.js'
import type { Checks } from '../checks.js'
import type { Timeline } from './timeline.js'
import type { WebServer } from './web-server.js'

export interface Stage {
  sluice: Sluice
  timeline: Timeline
  checks: Checks
  web: ReadonlyMap<ServerName, WebServer>
}

export const SERVICE = '/v1/virtual-services/web'
export const SORRY = '10.0.0.9'
export const INTERVAL_MS = 500
export const FALL = 2
export const TIMEOUT_MS = 400
export const RAMP_S = 4

/** Everything that an operator would set up for this day. */
export const service = () => ({
  ...{ protocol: 'tcp', address: VIP.ipv4, port: 80, scheduler: 'wlc' },
  healthChecks: { named: ['web'] },
  policy: {
    sorryServer: { address: SORRY, port: HTTP_PORT, inhibit: true },
    ...{ onDown: 'reset', minimumUsable: 2, slowStart: { seconds: RAMP_S } },
  },
  realServers: Object.fromEntries(
    SERVER_NAMES.map(name => [
      name,
      { address: serverAddress(name, 'ipv4'), port: HTTP_PORT, weight: 10 },
    ]),
  ),
})

export const check = () => ({
  ...{ kind: 'http', path: '/health', statuses: ['200'] },
  ...{ intervalMilliseconds: INTERVAL_MS, timeoutMilliseconds: TIMEOUT_MS, rise: 2, fall: FALL },
})

/** The longest that a failure may stay unnoticed: it came right after a good run. */
export const DETECTION_MS = FALL * INTERVAL_MS + TIMEOUT_MS

interface ServerStatus {
  status: { effectiveWeight: number; reasons: { code: string }[] }
}

export async function serverStatus({ sluice }: Stage, name: ServerName) {
  const server = await sluice.api('GET', `${SERVICE}/real-servers/${name}`)
  return (server as ServerStatus).status
}

/** Time that belongs to the story: load goes on meanwhile. */
export const lastFor = pause

export const isHealth = (stage: Stage, name: ServerName, state: string) => async () => {
  const found = await stage.sluice.api('GET', `${SERVICE}/real-servers/${name}/checks`)
  return (found as { health: { state: string } }).health.state === state
}
