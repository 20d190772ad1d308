/** quorum, sorry_server and the like: what becomes the policy of a virtual service. */
import { INT32_MAX } from '../../schemas/real-server.js'
import type { PolicyConfig, SorryConfig } from '../../schemas/policy.js'
import { mark } from '../report.js'
import { flagOf } from './check-timing.js'
import type { Node } from './tree.js'
import { endpointOf, methodOf, NAT, numberOf, type Endpoint, type Method } from './values.js'

export interface PolicyStatements {
  quorum?: { value: number; node: Node }
  hysteresis?: { value: number; node: Node }
  sorry?: { endpoint: Endpoint; node: Node }
  sorryMethod?: Method
  sorryInhibit?: Node
  inhibit?: boolean
}
export type Policy = Partial<Pick<PolicyConfig, 'quorum' | 'sorryServer' | 'inhibitOnFailure'>>

export const POLICY: readonly string[] = [
  ...['quorum', 'hysteresis', 'sorry_server', 'sorry_server_inhibit'],
  ...['sorry_server_lvs_method', 'inhibit_on_failure'],
]

/** Whether the statement is one of POLICY; what is wrong with it is in the report then. */
export function readPolicyStatement(node: Node, into: PolicyStatements): boolean {
  const { keyword, args, entry } = node
  if (!POLICY.includes(keyword)) return false
  if (keyword === 'quorum' || keyword === 'hysteresis') {
    const value = numberOf(args[0], keyword === 'quorum' ? 1 : 0, INT32_MAX)
    if (value === null) mark(entry, 'refused', `'${args[0] ?? ''}' is not a sum of weights.`)
    else into[keyword] = { value, node }
  } else if (keyword === 'sorry_server') {
    const endpoint = endpointOf(args)
    if (typeof endpoint === 'string') mark(entry, 'refused', endpoint)
    else into.sorry = { endpoint, node }
  } else if (keyword === 'sorry_server_lvs_method') {
    const method = methodOf(args)
    if (typeof method === 'string') mark(entry, 'refused', method)
    else into.sorryMethod = method
  } else {
    const on = flagOf(args[0])
    if (on === null) mark(entry, 'refused', `'${args[0]}' is neither yes nor no.`)
    else if (keyword === 'inhibit_on_failure') into.inhibit = on
    else if (on) into.sorryInhibit = node
  }
  return true
}

/** Empty when nothing is said. `method` is that of the virtual server, `port` that of the service. */
export function policyOf(said: PolicyStatements, method: Method | null, port: number): Policy {
  const sorryServer = sorryOf(said, method ?? NAT, port)
  return {
    ...quorumOf(said),
    ...(sorryServer === null ? {} : { sorryServer }),
    ...(said.inhibit === true ? { inhibitOnFailure: true } : {}),
  }
}

/** Gained at quorum + hysteresis, lost below quorum - hysteresis. */
function quorumOf({ quorum, hysteresis }: PolicyStatements): Policy {
  if (quorum === undefined && hysteresis === undefined) return {}
  const value = quorum?.value ?? 1
  let slack = hysteresis?.value ?? 0
  if (slack >= value) {
    slack = value - 1
    mark(hysteresis!.node.entry, 'changed', `It has to be below the quorum; it is ${slack}.`)
  }
  return { quorum: { up: Math.min(value + slack, INT32_MAX), down: value - slack } }
}

function sorryOf(said: PolicyStatements, fallback: Method, port: number): SorryConfig | null {
  const { sorry, sorryMethod, sorryInhibit } = said
  if (sorry === undefined) {
    if (sorryInhibit !== undefined) mark(sorryInhibit.entry, 'ignored', 'There is no sorry_server.')
    return null
  }
  const { forwarding, tunnel } = sorryMethod ?? fallback
  const own = sorry.endpoint.port ?? port
  if (forwarding !== 'masq' && own !== port)
    mark(sorry.node.entry, 'changed', `Nothing rewrites its port, so it is the service's, ${port}.`)
  const { type, checksum } = tunnel
  return {
    address: sorry.endpoint.text,
    port: forwarding === 'masq' ? own : port,
    // What reads methods knows three.
    forwarding: forwarding === 'bypass' ? 'local' : forwarding,
    ...(forwarding === 'tunnel'
      ? { tunnel: { type, ...(tunnel.port > 0 ? { port: tunnel.port } : {}), checksum } }
      : {}),
    inhibit: sorryInhibit !== undefined,
  }
}
