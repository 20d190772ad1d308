/** One interface's properties by name, asked of the kernel with ioctl (netdevice(7)). */
import * as libc from './libc.js'
import type { DescriptorLedger } from './descriptors.js'
import { Mapping } from './mapping.js'
import { AF_PACKET, openSocket } from './socket.js'

const SIOCGIFFLAGS = 0x8913
const SIOCGIFMTU = 0x8921
const SIOCGIFHWADDR = 0x8927
const SIOCGIFINDEX = 0x8933
const SIOCETHTOOL = 0x8946
/** ethtool(8)'s `tcp-segmentation-offload`, of either family. */
const ETHTOOL_GTSO = 0x1e
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
  /** Whether the device cuts TCP segments itself. */
  segments: boolean
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
  const setName = (): void => {
    request.fill(0)
    for (let i = 0; i < name.length; i++) request[i] = name.charCodeAt(i)
  }
  const ask = (what: number): boolean => {
    setName()
    return libc.ioctl(fd, what, request) >= 0
  }
  const askSegments = (): boolean => {
    const value = new Mapping(ledger, 8) // struct ethtool_value: cmd, data
    try {
      const words = new Uint32Array(value.buffer, 0, 2)
      words[0] = ETHTOOL_GTSO
      setName()
      v.setBigUint64(VALUE, BigInt(value.address), libc.HOST_ORDER)
      return libc.ioctl(fd, SIOCETHTOOL, request) >= 0 && words[1] !== 0
    } finally {
      value.close()
    }
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
    const segments = askSegments()
    return { ifIndex, mac, mtuOctets, flags, ethernet, segments }
  } finally {
    ledger.close(fd)
  }
}
