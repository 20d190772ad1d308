/** Whether Linux's own stack would look at a packet: it answers none that is damaged. */
import { onesComplement, slowCrc32c } from '../fixtures/packets.js'
import type { Headers } from './headers.js'

const TCP = 6
const UDP = 17
const SCTP = 132

/** Lengths and checksum of a whole TCP, UDP or SCTP packet; true for other protocols. */
export function isIntact(ip: Uint8Array, h: Headers): boolean {
  const payload = Buffer.from(ip.subarray(h.l4, h.total))
  if (h.protocol === TCP) {
    if (payload.length < 20) return false
    const octets = (payload[12]! >>> 4) * 4
    return octets >= 20 && octets <= payload.length && isSummed(ip, h, payload)
  }
  if (h.protocol === UDP) {
    if (payload.length < 8) return false
    const octets = payload.readUInt16BE(4)
    if (octets < 8 || octets > payload.length) return false
    if (payload.readUInt16BE(6) === 0) return h.family === 4
    return isSummed(ip, h, payload.subarray(0, octets))
  }
  return h.protocol !== SCTP || isSummedSctp(payload)
}

function isSummed(ip: Uint8Array, h: Headers, payload: Buffer): boolean {
  const addresses = h.family === 4 ? ip.subarray(12, 20) : ip.subarray(8, 40)
  const { length } = payload
  const tail = [0, h.protocol, length >>> 8, length & 0xff]
  return onesComplement([...addresses, ...tail, ...payload]) === 0
}

function isSummedSctp(payload: Buffer): boolean {
  if (payload.length < 12) return false
  const blank = Buffer.from(payload)
  blank.writeUInt32BE(0, 8)
  return slowCrc32c(blank) >>> 0 === payload.readUInt32LE(8)
}
