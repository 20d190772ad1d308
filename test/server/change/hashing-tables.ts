/**
 * The tables of the kernel's hashing schedulers, written anew from their description: Maglev with
 * SipHash-1-3 in 64-bit arithmetic (ip_vs_mh.c, hsiphash), source hashing (ip_vs_sh.c).
 */
export interface TableServer {
  endpoint: string
  /** Its address as words of 32 bits, one or four, and its port. */
  words: readonly number[]
  port: number
  weight: number
  /** The last one that was not 0. */
  lastWeight: number
}
/** Newest first, as the kernel keeps its list. */
export type Table = (string | null)[]

const SLOTS = 4093
const MASK = (1n << 64n) - 1n
const rotate = (x: bigint, by: bigint) => ((x << by) | (x >> (64n - by))) & MASK

/** SipHash-1-3 of four octets, both halves of the key alike; its lower 32 bits. */
export function siphash(value: number, key: bigint): number {
  let [v0, v1, v2, v3] = [
    0x736f6d6570736575n ^ key,
    0x646f72616e646f6dn ^ key,
    0x6c7967656e657261n ^ key,
    0x7465646279746573n ^ key,
  ]
  const round = () => {
    v0 = (v0 + v1) & MASK
    v1 = rotate(v1, 13n) ^ v0
    v0 = rotate(v0, 32n)
    v2 = (v2 + v3) & MASK
    v3 = rotate(v3, 16n) ^ v2
    v0 = (v0 + v3) & MASK
    v3 = rotate(v3, 21n) ^ v0
    v2 = (v2 + v1) & MASK
    v1 = rotate(v1, 17n) ^ v2
    v2 = rotate(v2, 32n)
  }
  const block = (4n << 56n) | BigInt(value >>> 0)
  v3 ^= block
  round()
  v0 ^= block
  v2 ^= 0xffn
  for (let i = 0; i < 3; i++) round()
  return Number((v0 ^ v1 ^ v2 ^ v3) & 0xffff_ffffn)
}

export function maglev(servers: readonly TableServer[]): Table {
  const weights = servers.map(({ lastWeight }) => lastWeight).filter(weight => weight > 0)
  if (weights.length === 0) return []
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))
  const divisor = weights.reduce(gcd)
  const bits = Math.floor(Math.log2(Math.max(...weights) / divisor)) + 1
  const shift = Math.max(0, bits - 6)
  const table: Table = Array.from({ length: SLOTS }, () => null)
  const rows = servers
    .filter(({ lastWeight }) => lastWeight > 0)
    .map(server => {
      const key = server.port + server.words.reduce((sum, word) => sum ^ word, 0)
      const offset = siphash(key, 2654435761n) % SLOTS
      const skip = (siphash(key, 2654446892n) % (SLOTS - 1)) + 1
      const permutation = Array.from({ length: SLOTS }, (_, j) => (offset + j * skip) % SLOTS)
      const turns = Math.max(1, Math.floor(server.lastWeight / divisor / 2 ** shift))
      return { server, preferences: permutation[Symbol.iterator](), turns }
    })
  let free = SLOTS
  while (free > 0)
    for (const { server, preferences, turns } of rows)
      for (let turn = 0; turn < turns && free > 0; turn++)
        for (const slot of { [Symbol.iterator]: () => ({ next: () => preferences.next() }) }) {
          if (table[slot] !== null) continue
          table[slot] = server.weight === 0 ? '' : server.endpoint
          free--
          break
        }
  return table
}

export function sourceHash(servers: readonly TableServer[]): Table {
  if (servers.length === 0) return Array.from({ length: 256 }, () => null)
  const round = servers.flatMap(server =>
    Array.from({ length: Math.max(1, server.weight) }, () => server),
  )
  return Array.from({ length: 256 }, (_, i) => {
    const { weight, endpoint } = round[i % round.length]!
    return weight === 0 ? '' : endpoint
  })
}
