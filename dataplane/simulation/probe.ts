/** The packet of a simulation, as octets of a frame: given as they are, or made from a 5-tuple. */
import { OpError } from '../op-error.js'
import { IPV4 } from '../packet.js'
import type { SimulationRequest } from '../protocol.js'
import * as address from '../wire/address.js'
import * as checksum from '../wire/checksum.js'
import * as ethernet from '../wire/ethernet.js'
import * as ipProtocol from '../wire/ip-protocol.js'
import * as ipv4 from '../wire/ipv4.js'
import * as ipv6 from '../wire/ipv6.js'
import * as sctp from '../wire/sctp.js'
import * as tcp from '../wire/tcp.js'
import * as udp from '../wire/udp.js'
import type { Port } from '../driver/driver.js'
import { DATAGRAM_MAX } from '../limits.js'

const TTL = 64
const WINDOW = 65535
const FLAGS: Readonly<Record<string, number>> = {
  ...{ F: tcp.FIN, S: tcp.SYN, R: tcp.RST, P: tcp.PSH },
  ...{ A: tcp.ACK, U: tcp.URG, E: tcp.ECE, C: tcp.CWR },
}
/** INIT with its five fixed parameters (RFC 9260 3.3.2). */
const INIT_OCTETS = 20

type Tuple = Exclude<SimulationRequest['packet'], { hex: string }>

/** The octets of the IP packet. */
export function probeOf(packet: SimulationRequest['packet']): Uint8Array {
  return 'hex' in packet ? octetsOf(packet.hex) : tuplePacket(packet)
}

function octetsOf(hex: string): Uint8Array {
  if (!/^(?:[0-9a-f]{2})+$/i.test(hex)) throw new OpError('EINVAL', 'not an even row of hex digits')
  const octets = Uint8Array.from(hex.match(/../g)!, pair => parseInt(pair, 16))
  const version = octets[0]! >>> 4
  if (octets.length > DATAGRAM_MAX) throw new OpError('EINVAL', 'longer than any IP packet')
  if (version !== 4 && version !== 6) throw new OpError('EINVAL', `IP has no version ${version}`)
  return octets
}

function tuplePacket({ protocol, client, virtual, tcpFlags = 'S' }: Tuple): Uint8Array {
  const src = parse(client.address)
  const dst = parse(virtual.address)
  if (src.family !== dst.family) throw new OpError('EINVAL', 'client and virtual differ in family')
  const l4 = src.family === IPV4 ? ipv4.MIN_LENGTH : ipv6.LENGTH
  const octets = { tcp: tcp.MIN_LENGTH, udp: udp.MIN_LENGTH, sctp: sctp.MIN_LENGTH + INIT_OCTETS }
  const end = l4 + octets[protocol]
  const bytes = new Uint8Array(end)
  const v = new DataView(bytes.buffer)
  const number = { tcp: ipProtocol.TCP, udp: ipProtocol.UDP, sctp: ipProtocol.SCTP }[protocol]
  if (src.family === IPV4) writeIpv4(v, number, src, dst)
  else writeIpv6(v, number, src, dst)
  v.setUint16(l4, client.port)
  v.setUint16(l4 + 2, virtual.port)
  const pseudo = checksum.pseudo(v, 0, number, end - l4)
  if (protocol === 'tcp') {
    const flags = [...tcpFlags].reduce((all, letter) => all | (FLAGS[letter] ?? 0), 0)
    tcp.setOffsetFlags(v, l4, 0x5000 | flags)
    tcp.setWindow(v, l4, WINDOW)
    tcp.setChecksum(v, l4, checksum.compute(v, l4, end, pseudo))
  } else if (protocol === 'udp') {
    udp.setLength(v, l4, udp.MIN_LENGTH)
    udp.setChecksum(v, l4, checksum.udpCheck(checksum.compute(v, l4, end, pseudo)))
  } else {
    writeInit(v, l4 + sctp.MIN_LENGTH)
    sctp.setChecksum(v, l4, sctp.computeChecksum(v, l4, end))
  }
  return bytes
}

function writeIpv4(v: DataView, number: number, src: address.Address, dst: address.Address): void {
  ipv4.setVersionIhl(v, 0, 0x45)
  ipv4.setTotalLength(v, 0, v.byteLength)
  ipv4.setFlagsOffset(v, 0, ipv4.DF)
  ipv4.setTtl(v, 0, TTL)
  ipv4.setProtocol(v, 0, number)
  ipv4.setSrc(v, 0, src.w0)
  ipv4.setDst(v, 0, dst.w0)
  ipv4.setChecksum(v, 0, checksum.computeIpv4(v, 0))
}

function writeIpv6(v: DataView, number: number, src: address.Address, dst: address.Address): void {
  ipv6.setFirstWord(v, 0, 0, 0)
  ipv6.setPayloadLength(v, 0, v.byteLength - ipv6.LENGTH)
  ipv6.setNextHeader(v, 0, number)
  ipv6.setHopLimit(v, 0, TTL)
  ipv6.setSrc(v, 0, src.w0, src.w1, src.w2, src.w3)
  ipv6.setDst(v, 0, dst.w0, dst.w1, dst.w2, dst.w3)
}

/** Tag 1, a window, one stream each way. */
function writeInit(v: DataView, at: number): void {
  sctp.writeChunk(v, at, sctp.INIT, 0, INIT_OCTETS)
  v.setUint32(at + 4, 1)
  v.setUint32(at + 8, WINDOW)
  v.setUint16(at + 12, 1)
  v.setUint16(at + 14, 1)
}

/** With the Ethernet header that it would have when it comes in by that port. */
export function frameOf(ip: Uint8Array, port: Port): Uint8Array {
  const frame = new Uint8Array(ethernet.MIN_LENGTH + ip.length)
  const type = ip[0]! >>> 4 === IPV4 ? ethernet.IPV4 : ethernet.IPV6
  const v = new DataView(frame.buffer)
  ethernet.write(v, 0, port.macHigh, port.macLow, 0, 0, type)
  frame.set(ip, ethernet.MIN_LENGTH)
  return frame
}

function parse(text: string): address.Address {
  const parsed = address.parse(text)
  if (parsed === null) throw new OpError('EINVAL', `'${text}' is not an IP address`)
  return parsed
}
