/** One interface's properties by name, asked of the kernel with ioctl (netdevice(7)). */
import * as libc from './libc.js'
import type { DescriptorLedger } from './descriptors.js'
import { AF_PACKET, openSocket } from './socket.js'

const SIOCGIFFLAGS = 0x8913
const SIOCGIFMTU = 0x8921
const SIOCGIFHWADDR = 0x8927
const SIOCGIFINDEX = 0x8933
const NAME_MAX = 15
const VALUE = 16 // struct ifreq: name of 16 octets, then a union
const ARPHRD_ETHER = 1

export const IFF_UP = 0x1
export const IFF_LOOPBACK = 0x8
export const IFF_NOARP = 0x80

export interface InterfaceProperties {
  ifIndex: number
  mac: Uint8Array
  mtuOctets: number
  flags: number
  /** Whether frames on it start with an Ethernet header. */
  ethernet: boolean
}

/** Null when there is no interface of that name. */
export function interfaceProperties(
  ledger: DescriptorLedger,
  name: string,
): InterfaceProperties | null {
  if (name.length === 0 || name.length > NAME_MAX) return null
  const fd = openSocket(ledger, AF_PACKET, 0)
  const request = new Uint8Array(40)
  const v = new DataView(request.buffer)
  const ask = (what: number): boolean => {
    request.fill(0)
    for (let i = 0; i < name.length; i++) request[i] = name.charCodeAt(i)
    return libc.ioctl(fd, what, request) >= 0
  }
  try {
    if (!ask(SIOCGIFINDEX)) return null
    const ifIndex = v.getInt32(VALUE, libc.HOST_ORDER)
    if (!ask(SIOCGIFHWADDR)) return null
    const ethernet = v.getUint16(VALUE, libc.HOST_ORDER) === ARPHRD_ETHER
    const mac = request.slice(VALUE + 2, VALUE + 8)
    if (!ask(SIOCGIFMTU)) return null
    const mtuOctets = v.getInt32(VALUE, libc.HOST_ORDER)
    if (!ask(SIOCGIFFLAGS)) return null
    const flags = v.getUint16(VALUE, libc.HOST_ORDER)
    return { ifIndex, mac, mtuOctets, flags, ethernet }
  } finally {
    ledger.close(fd)
  }
}
