/** real_server: what its block says. */
import { INT32_MAX } from '../../schemas/real-server.js'
import { mark } from '../report.js'
import { flagOf, readTiming, TIMING, type Timing } from './check-timing.js'
import { CHECKERS, readChecker, type Checker } from './checker.js'
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
  checkers: Checker[]
  timing: Timing
}

const READ = ['weight', 'lvs_method', 'uthreshold', 'lthreshold']
const KNOWN = [...READ, ...CHECKERS, ...TIMING, 'inhibit_on_failure', ...Object.keys(CHECKING)]

const WHOLE_SERVICE = 'It is for a whole virtual service; say it there.'

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
    ...{ checkers: [], timing: {} },
  }
  for (const child of node.children ?? []) readStatement(child, server)
  return server
}

function readStatement(node: Node, server: RealServer): void {
  const { keyword, args, entry } = node
  const ignored = Object.hasOwn(CHECKING, keyword) ? CHECKING[keyword] : undefined
  if (ignored !== undefined) return ignore(node, ignored)
  if (CHECKERS.includes(keyword)) {
    const checker = readChecker(node)
    if (checker !== null) server.checkers.push(checker)
    return
  }
  if (keyword === 'inhibit_on_failure') {
    // A word for no says what holds anyway.
    if (flagOf(args[0]) !== false) mark(entry, 'ignored', WHOLE_SERVICE)
    return
  }
  if (readTiming(node, server.timing)) return
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
