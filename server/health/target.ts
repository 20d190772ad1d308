/** Which addresses probes may go to. */
import { BlockList, isIPv6 } from 'node:net'

/** Ours alone, or anybody's on the link: 127/8, 169.254/16 (RFC 3927), ::1, fe80::/10. */
const GUARDED = listOf(['127.0.0.0/8', '169.254.0.0/16', '::1/128', 'fe80::/10'])

/** Whether only the allow-list opens it. */
export const isGuarded = (address: string): boolean => has(GUARDED, address)

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
