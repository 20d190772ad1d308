import { createHash } from 'node:crypto'

/**
 * Octets that anybody can make again from a name and a length, and that compress or repeat
 * nowhere: a xorshift generator seeded with the name. Both ends of a transfer hash them.
 */
export function payload(name: string, octets: number): Buffer {
  const words = new Uint32Array(Math.ceil(octets / 4))
  let x = createHash('sha256').update(name).digest().readUInt32LE() | 1
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    words[i] = x
  }
  return Buffer.from(words.buffer, 0, octets)
}

export const sha256 = (octets: Uint8Array): string =>
  createHash('sha256').update(octets).digest('hex')
