/** real_server: what its block says. */
import { INT32_MAX } from '../../schemas/real-server.js'
import { mark } from '../report.js'
import { CHECKING, ignore, unknown } from './ignored.js'
import type { Node } from './tree.js'
import { endpointOf, methodOf, numberOf, type Endpoint, type Method } from './values.js'

export interface RealServer {
  node: Node
  endpoint: Endpoint
  /** Null: that of the virtual server; the same for the weight. */
  method: Method | null
  weight: number | null
  upperThreshold: number
  lowerThreshold: number
}

const READ = ['weight', 'lvs_method', 'uthreshold', 'lthreshold']
const KNOWN = [...READ, ...Object.keys(CHECKING)]

/** Null when it cannot be understood; then the report says why. */
export function readRealServer(node: Node): RealServer | null {
  const endpoint = endpointOf(node.args)
  if (typeof endpoint === 'string') {
    mark(node.entry, 'refused', endpoint)
    for (const child of node.children ?? []) ignore(child, 'Its real server was refused.')
    return null
  }
  const server: RealServer = {
    ...{ node, endpoint, method: null, weight: null, upperThreshold: 0, lowerThreshold: 0 },
  }
  for (const child of node.children ?? []) readStatement(child, server)
  return server
}

function readStatement(node: Node, server: RealServer): void {
  const { keyword, args, entry } = node
  const ignored = Object.hasOwn(CHECKING, keyword) ? CHECKING[keyword] : undefined
  if (ignored !== undefined) return ignore(node, ignored)
  if (!READ.includes(keyword)) return ignore(node, unknown(keyword, KNOWN))
  for (const child of node.children ?? []) ignore(child, `'${keyword}' has no block.`)
  if (args.length === 0) return mark(entry, 'refused', `'${keyword}' has nothing behind it.`)
  if (keyword === 'lvs_method') {
    const method = methodOf(args)
    if (typeof method === 'string') mark(entry, 'refused', method)
    else server.method = method
    return
  }
  const value = numberOf(args[0], 0, INT32_MAX)
  if (value === null) mark(entry, 'refused', `It is a number from 0 to ${INT32_MAX}.`)
  else if (keyword === 'weight') server.weight = value
  else if (keyword === 'uthreshold') server.upperThreshold = value
  else server.lowerThreshold = value
}
