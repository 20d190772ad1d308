/**
 * SipHash-1-3 of one 32-bit word, cut to 32 bits: what `hsiphash_1u32` is on 64-bit Linux.
 * SipHash: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012). 64-bit words are
 * kept as halves, because BigInt allocates.
 */
const LENGTH_OCTETS = 4

/** Both words of the key are `key`, as in ip_vs_mh.c. `key` is an unsigned 32-bit number. */
export const siphash13 = (value: number, key: number): number => siphash13Key(value, key, 0, key, 0)

/** The same with a whole key of two 64-bit words, given low half first. */
export function siphash13Key(
  value: number,
  k0Low: number,
  k0High: number,
  k1Low: number,
  k1High: number,
): number {
  let v0h = 0x736f6d65 ^ k0High
  let v0l = 0x70736575 ^ k0Low
  let v1h = 0x646f7261 ^ k1High
  let v1l = 0x6e646f6d ^ k1Low
  let v2h = 0x6c796765 ^ k0High
  let v2l = 0x6e657261 ^ k0Low
  const lastHigh = LENGTH_OCTETS << 24
  let v3h = 0x74656462 ^ k1High ^ lastHigh
  let v3l = 0x79746573 ^ k1Low ^ value
  // One round for the only block, three to finish.
  for (let round = 0; round < 4; round++) {
    if (round === 1) {
      v0h ^= lastHigh
      v0l ^= value
      v2l ^= 0xff
    }
    let low = (v0l >>> 0) + (v1l >>> 0)
    v0h = (v0h + v1h + (low > 0xffffffff ? 1 : 0)) | 0
    v0l = low | 0
    low = (v2l >>> 0) + (v3l >>> 0)
    v2h = (v2h + v3h + (low > 0xffffffff ? 1 : 0)) | 0
    v2l = low | 0
    let high = (v1h << 13) | (v1l >>> 19)
    v1l = ((v1l << 13) | (v1h >>> 19)) ^ v0l
    v1h = high ^ v0h
    high = (v3h << 16) | (v3l >>> 16)
    v3l = ((v3l << 16) | (v3h >>> 16)) ^ v2l
    v3h = high ^ v2h
    // v0 turns by half a word.
    high = v0l
    v0l = v0h
    v0h = high
    low = (v2l >>> 0) + (v1l >>> 0)
    v2h = (v2h + v1h + (low > 0xffffffff ? 1 : 0)) | 0
    v2l = low | 0
    low = (v0l >>> 0) + (v3l >>> 0)
    v0h = (v0h + v3h + (low > 0xffffffff ? 1 : 0)) | 0
    v0l = low | 0
    high = (v1h << 17) | (v1l >>> 15)
    v1l = ((v1l << 17) | (v1h >>> 15)) ^ v2l
    v1h = high ^ v2h
    high = (v3h << 21) | (v3l >>> 11)
    v3l = ((v3l << 21) | (v3h >>> 11)) ^ v0l
    v3h = high ^ v0h
    high = v2l
    v2l = v2h
    v2h = high
  }
  return (v0l ^ v1l ^ v2l ^ v3l) >>> 0
}
