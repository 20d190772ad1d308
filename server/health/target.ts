/** Which addresses probes may go to. */
import { BlockList, isIPv6 } from 'node:net'
import { classifyTarget } from './target-class.js'

/** Whether only the allow-list opens it: ours alone, or anybody's on the link. */
export function isGuarded(address: string): boolean {
  const target = classifyTarget(address, null)
  return !target.usable || target.scope === 'loopback' || target.scope === 'linkLocal'
}

export const isAllowed = (address: string, allowed: readonly string[]): boolean =>
  !isGuarded(address) || has(listOf(allowed), address)

const has = (list: BlockList, address: string): boolean =>
  list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')

/** Of prefixes in CIDR form. */
function listOf(prefixes: readonly string[]): BlockList {
  const list = new BlockList()
  for (const prefix of prefixes) {
    const [network = '', length] = prefix.split('/')
    list.addSubnet(network, Number(length), isIPv6(network) ? 'ipv6' : 'ipv4')
  }
  return list
}
