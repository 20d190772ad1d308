// CRC32c (Castagnoli), the checksum of SCTP: RFC 9260 appendix A. Reflected polynomial 0x82f63b78,
// eight octets a step with eight tables of 256 words ("slicing-by-8").
const POLYNOMIAL = 0x82f63b78

/** State before the first octet. */
export const INITIAL = -1

/** TABLES[k * 256 + n]: the state after octet n and k zero octets. */
const TABLES = makeTables()

/** The CRC of `[at, end)` as a signed word. */
export const compute = (v: DataView, at: number, end: number): number =>
  finish(update(INITIAL, v, at, end))

/** Takes the octets `[at, end)` into a state. */
export function update(state: number, v: DataView, at: number, end: number): number {
  const t = TABLES
  for (; end - at >= 8; at += 8) {
    // The algorithm takes the first octet as the lowest, hence little-endian reads.
    const a = v.getInt32(at, true) ^ state
    const b = v.getInt32(at + 4, true)
    state =
      t[1792 + (a & 0xff)]! ^
      t[1536 + ((a >>> 8) & 0xff)]! ^
      t[1280 + ((a >>> 16) & 0xff)]! ^
      t[1024 + (a >>> 24)]! ^
      t[768 + (b & 0xff)]! ^
      t[512 + ((b >>> 8) & 0xff)]! ^
      t[256 + ((b >>> 16) & 0xff)]! ^
      t[b >>> 24]!
  }
  for (; at < end; at++) state = (state >>> 8) ^ t[(state ^ v.getUint8(at)) & 0xff]!
  return state
}

/** Takes four zero octets into a state. */
export function zeros4(state: number): number {
  for (let i = 0; i < 4; i++) state = (state >>> 8) ^ TABLES[state & 0xff]!
  return state
}

/** The CRC that a state stands for. */
export const finish = (state: number): number => ~state

function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256)
  for (let n = 0; n < 256; n++) {
    let state = n
    for (let bit = 0; bit < 8; bit++) {
      state = (state & 1) !== 0 ? (state >>> 1) ^ POLYNOMIAL : state >>> 1
    }
    tables[n] = state
  }
  for (let i = 256; i < tables.length; i++) {
    const before = tables[i - 256]!
    tables[i] = (before >>> 8) ^ tables[before & 0xff]!
  }
  return tables
}
