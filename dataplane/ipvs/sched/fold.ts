/** How the hashing schedulers turn addresses into numbers. */
import type { Dest } from '../dest.js'
import type { Flow } from '../../packet.js'

const GOLDEN_RATIO_32 = 0x61c88647

/** The kernel's hash_32: multiplicative, the upper bits count. */
export const hash32 = (value: number, bits: number): number =>
  Math.imul(value, GOLDEN_RATIO_32) >>> (32 - bits)

/** An IPv4 address, or the four words of an IPv6 address on top of each other. */
export const foldWords = (w0: number, w1: number, w2: number, w3: number): number =>
  w0 ^ w1 ^ w2 ^ w3

export const foldSource = (flow: Flow): number =>
  foldWords(flow.src0, flow.src1, flow.src2, flow.src3)

export const foldDestination = (flow: Flow): number =>
  foldWords(flow.dst0, flow.dst1, flow.dst2, flow.dst3)

/** As an address of the service's family: IPv4 services see one word of an IPv6 real server. */
export const foldDest = (dest: Dest, family: number): number =>
  family === 6 ? foldWords(dest.w0, dest.w1, dest.w2, dest.w3) : dest.w0
