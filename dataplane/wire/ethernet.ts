// Ethernet II header, IEEE 802.3. Hardware addresses are two numbers: the first two octets
// (high, 16 bits) and the last four as a signed word (low).
//
//    0                   6                   12          14
//   +-------------------+-------------------+-----------+
//   |    destination    |      source       | EtherType |
//   +-------------------+-------------------+-----------+
const DST = 0
const SRC = 6
const ETHER_TYPE = 12
/** Octets in a header without VLAN tags. */
export const MIN_LENGTH = 14

/** EtherTypes (IEEE registration authority). */
export const IPV4 = 0x0800
export const ARP = 0x0806
export const VLAN = 0x8100
export const IPV6 = 0x86dd
export const PROVIDER_VLAN = 0x88a8

/** Whether `[at, end)` has room for a header; its contents are not checked. */
export const isValid = (_v: DataView, at: number, end: number): boolean => end - at >= MIN_LENGTH

export const dstHigh = (v: DataView, at: number): number => v.getUint16(at + DST)
export const dstLow = (v: DataView, at: number): number => v.getInt32(at + DST + 2)
export const srcHigh = (v: DataView, at: number): number => v.getUint16(at + SRC)
export const srcLow = (v: DataView, at: number): number => v.getInt32(at + SRC + 2)
export const etherType = (v: DataView, at: number): number => v.getUint16(at + ETHER_TYPE)

export function setDst(v: DataView, at: number, high: number, low: number): void {
  v.setUint16(at + DST, high)
  v.setInt32(at + DST + 2, low)
}

export function setSrc(v: DataView, at: number, high: number, low: number): void {
  v.setUint16(at + SRC, high)
  v.setInt32(at + SRC + 2, low)
}

export const setEtherType = (v: DataView, at: number, type: number): void =>
  v.setUint16(at + ETHER_TYPE, type)

/** Writes a whole header. */
export function write(
  v: DataView,
  at: number,
  dstHigh: number,
  dstLow: number,
  srcHigh: number,
  srcLow: number,
  etherType: number,
): void {
  setDst(v, at, dstHigh, dstLow)
  setSrc(v, at, srcHigh, srcLow)
  setEtherType(v, at, etherType)
}
