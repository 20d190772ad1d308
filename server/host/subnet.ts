import { BlockList, isIP } from 'node:net'

/** Whether `address` lies in the subnet of `prefixLength` bits around `member`. */
export function inSubnet(address: string, member: string, prefixLength: number): boolean {
  if (isIP(address) !== isIP(member)) return false
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
  const subnet = new BlockList()
  subnet.addSubnet(member, prefixLength, family)
  return subnet.check(address, family)
}
