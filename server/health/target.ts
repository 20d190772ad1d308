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

/** Why nothing can be sent from a source to a target, or null; a null source is the host's choice. */
export const faultOfSource = (source: string | null, target: string): string | null =>
  source === null || isIPv6(source) === isIPv6(target)
    ? null
    : `Nothing can be sent from ${source} to ${target}: IPv4 and IPv6 do not mix.`

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
