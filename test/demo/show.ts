import { API, call } from '../lab/api.js'
import type { Lab } from '../lab/lab.js'
import type { RealServer } from '../lab/real-server.js'
import type { Sluice } from '../lab/sluice.js'
import type { ServerName } from '../lab/cast.js'
import type { Topology } from '../lab/topology.js'
import type { Checks } from './checks.js'
import { exchange } from './screen.js'

/** Everything that a section of the demo works with. */
export interface Show {
  lab: Lab
  topology: Topology
  servers: Map<ServerName, RealServer>
  sluice: Sluice
  checks: Checks
  verbose: boolean
}

export interface Request {
  method: 'GET' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  body?: unknown
  /** Lines of the answer to show unless --verbose was given. */
  lines?: number
}

/** Makes one API call and shows it; an answer outside 200 to 299 ends the demo. */
export async function ask(show: Show, request: Request): Promise<unknown> {
  const { method, path, body, lines = 6 } = request
  const answer = await call(show.topology.director, method, path, body)
  const url = `http://${API}${path}`
  exchange({ method, url, body }, answer, show.verbose ? Infinity : lines)
  if (answer.status > 299) throw new Error(`${method} ${path} was answered with ${answer.status}`)
  return answer.body
}
