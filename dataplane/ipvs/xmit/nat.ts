import { IPV4, type Packet } from '../../packet.js'
import { D0, D1, DPORT, PORTS, V0, V1, WORDS } from '../../shared/conn-record.js'
import * as checksum from '../../wire/checksum.js'
import { SCTP, TCP, UDP } from '../../wire/ip-protocol.js'
import * as ipv4 from '../../wire/ipv4.js'
import * as sctp from '../../wire/sctp.js'
import * as tcp from '../../wire/tcp.js'
import * as udp from '../../wire/udp.js'
import * as virtioNet from '../../wire/virtio-net.js'

/**
 * VS/NAT: rewrites one endpoint of a packet in place. A TCP or UDP checksum is updated by the
 * difference (RFC 1624), so a wrong one stays wrong by the same amount; a partial one (offload)
 * covers addresses only; a UDP checksum of zero is replaced by a full one, as IPVS does; SCTP gets
 * a new CRC32c when its port changed or was left to the hardware.
 */

/** Offsets of the addresses in the two IP headers. */
const SRC4 = 12
const DST4 = 16
const SRC6 = 8
const DST6 = 24

/** Client to real server: vaddr:vport becomes daddr:dport. */
export function dnat(pkt: Packet, words: Int32Array, conn: number): void {
  const at = conn * WORDS
  const port = words[at + DPORT]! & 0xffff
  if (pkt.flow.family === IPV4) rewrite4(pkt, DST4, 2, words[at + D0]!, port)
  else {
    const w = at + D1
    rewrite6(pkt, DST6, 2, words[at + D0]!, words[w]!, words[w + 1]!, words[w + 2]!, port)
  }
}

/** Real server to client: daddr:dport becomes vaddr:vport. */
export function snat(pkt: Packet, words: Int32Array, conn: number): void {
  const at = conn * WORDS
  const port = words[at + PORTS]! & 0xffff
  if (pkt.flow.family === IPV4) rewrite4(pkt, SRC4, 0, words[at + V0]!, port)
  else {
    const w = at + V1
    rewrite6(pkt, SRC6, 0, words[at + V0]!, words[w]!, words[w + 1]!, words[w + 2]!, port)
  }
}

function rewrite4(pkt: Packet, field: number, portField: number, to: number, port: number): void {
  const { view, l3 } = pkt
  const from = view.getInt32(l3 + field)
  view.setInt32(l3 + field, to)
  const change = checksum.change32(from, to)
  ipv4.setChecksum(view, l3, checksum.apply(ipv4.checksum(view, l3), change))
  transport(pkt, change, portField, port)
}

function rewrite6(
  pkt: Packet,
  field: number,
  portField: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  port: number,
): void {
  const { view } = pkt
  const at = pkt.l3 + field
  const change =
    checksum.change32(view.getInt32(at), w0) +
    checksum.change32(view.getInt32(at + 4), w1) +
    checksum.change32(view.getInt32(at + 8), w2) +
    checksum.change32(view.getInt32(at + 12), w3)
  view.setInt32(at, w0)
  view.setInt32(at + 4, w1)
  view.setInt32(at + 8, w2)
  view.setInt32(at + 12, w3)
  transport(pkt, change, portField, port)
}

/**
 * Writes the port and repairs the transport checksum, after the addresses changed by that sum.
 * AH and ESP have neither: only their addresses change (ip_vs_proto_ah_esp.c).
 */
function transport(pkt: Packet, addresses: number, portField: number, port: number): void {
  const { view, l4 } = pkt
  const { protocol } = pkt.flow
  if (protocol !== TCP && protocol !== UDP && protocol !== SCTP) return
  const ports = checksum.change16(view.getUint16(l4 + portField), port)
  view.setUint16(l4 + portField, port)
  const partial = virtioNet.needsChecksum(view, pkt.l2 - virtioNet.LENGTH)
  if (protocol === TCP) {
    const sum = tcp.checksum(view, l4)
    tcp.setChecksum(
      view,
      l4,
      partial ? checksum.applyPartial(sum, addresses) : checksum.apply(sum, addresses + ports),
    )
  } else if (protocol === UDP) {
    const sum = udp.checksum(view, l4)
    if (partial) udp.setChecksum(view, l4, checksum.applyPartial(sum, addresses))
    else if (sum === 0) udp.setChecksum(view, l4, checksum.udpFull(pkt))
    else udp.setChecksum(view, l4, checksum.udpCheck(checksum.apply(sum, addresses + ports)))
  } else if (partial || ports !== 0xffff) completeSctp(pkt, partial)
}

/** The kernel leaves a CRC32c to the hardware too, which cannot be told of it through our socket. */
function completeSctp(pkt: Packet, partial: boolean): void {
  const { view, l4, end } = pkt
  sctp.setChecksum(view, l4, sctp.computeChecksum(view, l4, end))
  if (partial) virtioNet.clear(view, pkt.l2 - virtioNet.LENGTH)
}
