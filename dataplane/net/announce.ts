/**
 * Tells the neighbours on a link that an address is here now: an ARP announcement (RFC 5227
 * section 3: a request whose sender and target are the address) or an unsolicited neighbour
 * advertisement with the override flag to all nodes (RFC 4861 section 7.2.6).
 *
 * Sent over a packet socket of its own, so that it works under every driver. Twice, because
 * nobody acknowledges it.
 */
import { IPV4 } from '../packet.js'
import { DescriptorLedger } from '../sys/descriptors.js'
import * as libc from '../sys/libc.js'
import { Mapping } from '../sys/mapping.js'
import { AF_PACKET, openSocket } from '../sys/socket.js'
import * as arp from '../wire/arp.js'
import * as checksum from '../wire/checksum.js'
import * as ethernet from '../wire/ethernet.js'
import * as ndp from '../wire/ndp.js'

const COPIES = 2
const ICMPV6 = 58
const IPV6_HEADER = 40
/** Required of neighbour discovery, so that nobody off the link can fake it (RFC 4861 section 7.1). */
const HOP_LIMIT = 255
/** ff02::1, all nodes on the link, and the group address it maps to (RFC 2464 section 7). */
const ALL_NODES = [0xff020000 | 0, 0, 0, 1] as const
const ALL_NODES_MAC_HIGH = 0x3333
const ALL_NODES_MAC_LOW = 1

export interface AnnouncedLink {
  readonly ifIndex: number
  readonly macHigh: number
  readonly macLow: number
}

export interface AnnouncedAddress {
  readonly family: number
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
}

/** Sends the announcements at once. Throws SystemError when the interface cannot send. */
export function announce(
  link: AnnouncedLink,
  address: AnnouncedAddress,
  ledger = new DescriptorLedger(),
): void {
  const frame = address.family === IPV4 ? arpFrame(link, address.w0) : naFrame(link, address)
  const fd = openSocket(ledger, AF_PACKET, 0)
  const memory = new Mapping(ledger, 4096)
  try {
    const bytes = new Uint8Array(memory.buffer)
    bytes.set(frame)
    // struct sockaddr_ll behind the frame: u16 family, u16 protocol, int interface.
    const at = 256
    const v = new DataView(memory.buffer)
    v.setUint16(at, AF_PACKET, libc.HOST_ORDER)
    v.setInt32(at + 4, link.ifIndex, libc.HOST_ORDER)
    for (let i = 0; i < COPIES; i++) {
      const { address: start } = memory
      libc.must('sendto packet', libc.sendto(fd, start, frame.length, 0, start + at, 20))
    }
  } finally {
    memory.close()
    ledger.close(fd)
  }
}

function arpFrame(link: AnnouncedLink, address: number): Uint8Array {
  const frame = new Uint8Array(ethernet.MIN_LENGTH + arp.LENGTH)
  const v = new DataView(frame.buffer)
  const { macHigh, macLow } = link
  ethernet.write(v, 0, 0xffff, -1, macHigh, macLow, ethernet.ARP)
  arp.write(v, ethernet.MIN_LENGTH, {
    operation: arp.REQUEST,
    senderMacHigh: macHigh,
    senderMacLow: macLow,
    sender: address,
    targetMacHigh: 0,
    targetMacLow: 0,
    target: address,
  })
  return frame
}

function naFrame(link: AnnouncedLink, { w0, w1, w2, w3 }: AnnouncedAddress): Uint8Array {
  const l3 = ethernet.MIN_LENGTH
  const l4 = l3 + IPV6_HEADER
  const frame = new Uint8Array(l4 + ndp.LENGTH)
  const v = new DataView(frame.buffer)
  const { macHigh, macLow } = link
  ethernet.write(v, 0, ALL_NODES_MAC_HIGH, ALL_NODES_MAC_LOW, macHigh, macLow, ethernet.IPV6)
  v.setInt32(l3, 6 << 28)
  v.setUint16(l3 + 4, ndp.LENGTH)
  v.setUint8(l3 + 6, ICMPV6)
  v.setUint8(l3 + 7, HOP_LIMIT)
  const source = [w0, w1, w2, w3]
  for (let i = 0; i < 4; i++) {
    v.setInt32(l3 + 8 + i * 4, source[i]!)
    v.setInt32(l3 + 24 + i * 4, ALL_NODES[i]!)
  }
  ndp.writeAdvertisement(v, l4, { flags: ndp.OVERRIDE, w0, w1, w2, w3, macHigh, macLow })
  const pseudo = checksum.pseudo6(v, l3, ICMPV6, ndp.LENGTH)
  v.setUint16(l4 + 2, checksum.compute(v, l4, frame.length, pseudo))
  return frame
}
