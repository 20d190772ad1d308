// Neighbour solicitation and advertisement, RFC 4861 sections 4.3 and 4.4, with one link-layer
// address option (section 4.6.1). Offsets from the start of the ICMPv6 header.
//
//    0 1 2           8               16                            31
//   +---------------+---------------+------------------------------+
//   |     type      |     code      |           checksum           |
//   |R|S|O|                    reserved                            |
//   |                target address (four words)                   |
//   +---------------+---------------+------------------------------+
//   |  option type  | length (8s)   |  link-layer address (6)      |
//   +---------------+---------------+------------------------------+
import { NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION } from './icmpv6.js'

const FLAGS = 4
const TARGET = 8
const OPTION = 24
/** Octets without options. */
export const MIN_LENGTH = 24
/** Octets with one link-layer address option. */
export const LENGTH = 32

/** Masks of `flags`, the first octet of the word. */
export const ROUTER = 0x80
export const SOLICITED = 0x40
export const OVERRIDE = 0x20
/** Option types. */
export const SOURCE_LINK_LAYER = 1
export const TARGET_LINK_LAYER = 2

/** Whether `[at, end)` holds a solicitation or advertisement. Hop limit, checksum, options are not checked. */
export const isValid = (v: DataView, at: number, end: number): boolean =>
  end - at >= MIN_LENGTH &&
  (v.getUint8(at) === NEIGHBOUR_SOLICITATION || v.getUint8(at) === NEIGHBOUR_ADVERTISEMENT) &&
  v.getUint8(at + 1) === 0

export const flags = (v: DataView, at: number): number => v.getUint8(at + FLAGS)
export const target0 = (v: DataView, at: number): number => v.getInt32(at + TARGET)
export const target1 = (v: DataView, at: number): number => v.getInt32(at + TARGET + 4)
export const target2 = (v: DataView, at: number): number => v.getInt32(at + TARGET + 8)
export const target3 = (v: DataView, at: number): number => v.getInt32(at + TARGET + 12)

/** Offset of the hardware address in the first option of that type, 0 when there is none. */
export function linkLayerAt(v: DataView, at: number, end: number, wanted: number): number {
  let option = at + OPTION
  while (end - option >= 8) {
    const octets = v.getUint8(option + 1) << 3
    if (octets === 0 || octets > end - option) return 0
    if (v.getUint8(option) === wanted) return option + 2
    option += octets
  }
  return 0
}

/** What a neighbour advertisement says. */
export interface AdvertisementFields {
  flags: number
  w0: number
  w1: number
  w2: number
  w3: number
  macHigh: number
  macLow: number
}

/** Writes an advertisement of LENGTH octets with its checksum left zero (checksum.ts fills it). */
export function writeAdvertisement(v: DataView, at: number, fields: AdvertisementFields): void {
  v.setUint8(at, NEIGHBOUR_ADVERTISEMENT)
  v.setUint8(at + 1, 0)
  v.setUint16(at + 2, 0)
  v.setInt32(at + FLAGS, fields.flags << 24)
  v.setInt32(at + TARGET, fields.w0)
  v.setInt32(at + TARGET + 4, fields.w1)
  v.setInt32(at + TARGET + 8, fields.w2)
  v.setInt32(at + TARGET + 12, fields.w3)
  v.setUint8(at + OPTION, TARGET_LINK_LAYER)
  v.setUint8(at + OPTION + 1, 1)
  v.setUint16(at + OPTION + 2, fields.macHigh)
  v.setInt32(at + OPTION + 4, fields.macLow)
}
