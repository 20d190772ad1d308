/**
 * Sends UDP datagrams through a packet socket as fast as it can, or at a given rate: `flood.js ORDER`
 * (JSON, lab/flood-format.ts). Frames are made once, one for each flow; a turn hands 64 of them to
 * the kernel with one system call and past the queueing discipline, which a socket for each flow
 * could not do. With a burst, each of those is an offload frame of that many datagrams of one flow,
 * which the kernel cuts into single ones before the interface (whose own segmentation is off), for a
 * fraction of the cost: no faster way to send is left to the receiver. Prints "begin" when the warm-up is over and "end SENT" when the time is; then it goes
 * on for a moment, so that whoever reads a counter on that line still reads it under load.
 */
import { setPriority } from 'node:os'
import { DescriptorLedger } from '../../../dataplane/sys/descriptors.js'
import { interfaceProperties } from '../../../dataplane/sys/interface.js'
import * as libc from '../../../dataplane/sys/libc.js'
import { Mapping } from '../../../dataplane/sys/mapping.js'
import {
  AF_PACKET,
  MSG_DONTWAIT,
  openSocket,
  setBuffer,
  setOption,
} from '../../../dataplane/sys/socket.js'
import { buildBytes } from '../../fixtures/packets.js'
import type { FloodOrder } from '../flood-format.js'

const SOL_PACKET = 263
const PACKET_QDISC_BYPASS = 20
const PACKET_VNET_HDR = 15
const ETHERNET = 14
const ETHER_TYPE = { ipv4: [0x08, 0x00], ipv6: [0x86, 0xdd] }
const BATCH = 64
const TAIL_S = 0.3
/** struct mmsghdr and struct iovec of a 64-bit machine. */
const HEADER = 64
const VECTOR = 16
/** struct virtio_net_hdr, linux/virtio_net.h. */
const VNET = 10
const NEEDS_CSUM = 1
const GSO_UDP_L4 = 5
const UDP_CHECK = 6
const UDP_HEADER = 8
const IPPROTO_UDP = 17

const order = JSON.parse(process.argv[2]!) as FloodOrder
const { burst = 1 } = order
/** In front of each frame. */
const front = burst > 1 ? VNET : 0
const batch = Math.max(1, BATCH / burst)
const ledger = new DescriptorLedger()
const fd = open(order.device)
const { address: headers, count } = prepare(order)
const bed = new Int32Array(new SharedArrayBuffer(4))
if (order.nice !== undefined) setPriority(order.nice)
let sent = 0
let at = 0

run(order.warmS)
process.stdout.write('begin\n')
sent = 0
run(order.seconds)
process.stdout.write(`end ${sent}\n`)
run(TAIL_S)

/** Sends for that long; a rate is kept over its whole length, without bursts to catch up. */
function run(seconds: number): void {
  const begin = performance.now()
  const end = begin + seconds * 1000
  const perMs = order.pps === undefined ? Infinity : order.pps / 1000
  let due = begin
  for (let now = begin; now < end; now = performance.now()) {
    if (now < due) {
      // Some 50 us late, for which the pace makes up.
      if (order.naps === true) Atomics.wait(bed, 0, 0, due - now)
      continue
    }
    const n = libc.sendmmsg(fd, headers + at * HEADER, Math.min(batch, count - at), MSG_DONTWAIT)
    // A full queue on the way: that packet is tried again.
    if (n <= 0) continue
    sent += n * burst
    at += n
    if (at === count) at = 0
    due = Math.max(due, now - 1) + (n * burst) / perMs
  }
}

function open(device: string): number {
  const own = interfaceProperties(ledger, device)
  if (!own) throw new Error(`no interface ${device}`)
  // Protocol 0: nothing is received.
  const socket = openSocket(ledger, AF_PACKET, 0)
  const address = new Uint8Array(20)
  const v = new DataView(address.buffer)
  v.setUint16(0, AF_PACKET, libc.HOST_ORDER)
  v.setInt32(4, own.ifIndex, libc.HOST_ORDER)
  libc.must('bind', libc.bindSocket(socket, address, address.length))
  // What bypasses the queueing discipline is not cut.
  setOption(socket, SOL_PACKET, burst > 1 ? PACKET_VNET_HDR : PACKET_QDISC_BYPASS, 1)
  setBuffer(socket, 'send', 4 << 20)
  return socket
}

/** Lays out frames, an iovec and an mmsghdr for each; one flow has them repeated to fill a batch. */
function prepare(order: FloodOrder): { address: number; count: number } {
  const { flows } = order
  const count = Math.max(flows, BATCH)
  const model = frame(order)
  const stride = (front + model.length + 63) & ~63
  const map = new Mapping(ledger, flows * stride + count * (HEADER + VECTOR))
  const bytes = new Uint8Array(map.buffer)
  const v = new DataView(map.buffer)
  const vectors = flows * stride
  const messages = vectors + count * VECTOR
  for (let flow = 0; flow < flows; flow++) {
    bytes.set(model, flow * stride + front)
    distinguish(v, flow * stride + front, flow)
    if (front > 0) offload(v, flow * stride, bytes.subarray(flow * stride, (flow + 1) * stride))
  }
  for (let i = 0; i < count; i++) {
    setPointer(v, vectors + i * VECTOR, map.address + (i % flows) * stride)
    setPointer(v, vectors + i * VECTOR + 8, front + model.length)
    setPointer(v, messages + i * HEADER + 16, map.address + vectors + i * VECTOR)
    setPointer(v, messages + i * HEADER + 24, 1)
  }
  return { address: map.address + messages, count }
}

function setPointer(v: DataView, at: number, value: number): void {
  v.setBigUint64(at, BigInt(value), libc.HOST_ORDER)
}

/** Every flow has a client endpoint of its own: a source port, then a source address. */
function distinguish(v: DataView, at: number, flow: number): void {
  const { ports = 1, sources = 1, flows, port, sourcePort } = order
  const isIpv6 = order.source.includes(':')
  const l3 = at + ETHERNET
  const l4 = l3 + (isIpv6 ? 40 : 20)
  const perSource = Math.ceil(flows / sources)
  const address = isIpv6 ? l3 + 22 : l3 + 14
  const checks = isIpv6 ? [l4 + 6] : [l4 + 6, l3 + 10]
  const host = v.getUint16(address) + Math.floor(flow / perSource)
  patch(v, address, host, checks)
  patch(v, l4, sourcePort + (flow % perSource), [l4 + 6])
  patch(v, l4 + 2, port + (flow % ports), [l4 + 6])
}

/** Says where to cut, and leaves the checksum to whoever does: its field holds the pseudo-header's. */
function offload(v: DataView, at: number, bytes: Uint8Array): void {
  const isIpv6 = order.source.includes(':')
  const l3 = VNET + ETHERNET
  const l4 = l3 + (isIpv6 ? 40 : 20)
  v.setUint8(at, NEEDS_CSUM)
  v.setUint8(at + 1, GSO_UDP_L4)
  const words = [l4 - VNET + UDP_HEADER, order.octets, l4 - VNET, UDP_CHECK]
  words.forEach((word, i) => v.setUint16(at + 2 + 2 * i, word, libc.HOST_ORDER))
  let sum = IPPROTO_UDP + v.getUint16(at + l4 + 4)
  for (let i = l3 + (isIpv6 ? 8 : 12); i < l4; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!
  sum = (sum & 0xffff) + (sum >>> 16)
  v.setUint16(at + l4 + UDP_CHECK, (sum & 0xffff) + (sum >>> 16))
}

/** Changes 16 bits and the checksums over them: RFC 1624 equation 3. */
function patch(v: DataView, at: number, value: number, checks: readonly number[]): void {
  const before = v.getUint16(at)
  v.setUint16(at, value)
  for (const check of checks) {
    const sum = (~v.getUint16(check) & 0xffff) + (~before & 0xffff) + value
    const folded = (sum & 0xffff) + (sum >>> 16)
    v.setUint16(check, ~((folded & 0xffff) + (folded >>> 16)))
  }
}

function frame({ from, to, source, address, octets, port, sourcePort }: FloodOrder): Uint8Array {
  const udp = { srcPort: sourcePort, dstPort: port, payload: new Uint8Array(octets * burst) }
  const ip = buildBytes({ src: source, dst: address, df: true, udp })
  const bytes = new Uint8Array(ETHERNET + ip.length)
  const type = source.includes(':') ? ETHER_TYPE.ipv6 : ETHER_TYPE.ipv4
  bytes.set([...macBytes(to), ...macBytes(from), ...type])
  bytes.set(ip, ETHERNET)
  return bytes
}

function macBytes(text: string): number[] {
  return text.split(':').map(part => parseInt(part, 16))
}
