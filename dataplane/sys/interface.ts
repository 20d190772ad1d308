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
/** All of its features: struct ethtool_gfeatures, two blocks of 32 bits, the third word is active. */
const ETHTOOL_GFEATURES = 0x3a
const FEATURE_BLOCKS = 2
const ACTIVE = 2 + 2
/** Bits of the first block (include/linux/netdev_features.h): any checksum; TCP's and UDP's alone. */
const HW_CSUM = 1 << 3
const IP_OR_IPV6_CSUM = (1 << 1) | (1 << 4)
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
  /** Whether a pending checksum is completed wherever in a frame it is, by device or kernel. */
  sums: boolean
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
  /** Word `answer` of what ethtool says when asked with the others; null when it does not say. */
  const askEthtool = (words: readonly number[], answer: number): number | null => {
    const value = new Mapping(ledger, words.length * 4)
    try {
      const there = new Uint32Array(value.buffer, 0, words.length)
      there.set(words)
      setName()
      v.setBigUint64(VALUE, BigInt(value.address), libc.HOST_ORDER)
      return libc.ioctl(fd, SIOCETHTOOL, request) >= 0 ? there[answer]! : null
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
    const segments = (askEthtool([ETHTOOL_GTSO, 0], 1) ?? 0) !== 0
    const blocks = new Array<number>(FEATURE_BLOCKS * 4).fill(0)
    const features = askEthtool([ETHTOOL_GFEATURES, FEATURE_BLOCKS, ...blocks], ACTIVE)
    const sums =
      features !== null && ((features & HW_CSUM) !== 0 || (features & IP_OR_IPV6_CSUM) === 0)
    return { ifIndex, mac, mtuOctets, flags, ethernet, segments, sums }
  } finally {
    ledger.close(fd)
  }
}
