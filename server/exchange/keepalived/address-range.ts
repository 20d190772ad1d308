/** Ranges of addresses in a virtual_server_group. */
import * as address from '../../../dataplane/wire/address.js'
import { numberOf } from './values.js'

export interface AddressRange {
  family: 4 | 6
  /** As one number. */
  first: bigint
  last: bigint
}

/**
 * `192.0.2.1`, `192.0.2.1-10` (the last octet, or the last group in hexadecimal), a whole address
 * behind the hyphen, `192.0.2.8/29` with every address of the network. What is wrong, otherwise.
 */
export function rangeOf(text: string): AddressRange | string {
  const [, host = '', sign, end = ''] = /^([^-/]*)(?:([-/])(.*))?$/.exec(text) ?? []
  const parsed = address.parse(host)
  if (parsed === null) return `'${host}' is neither an IPv4 nor an IPv6 address.`
  const family = parsed.family === 4 ? 4 : 6
  const first = numeric(parsed)
  if (sign === undefined) return { family, first, last: first }
  if (sign === '/') return networkOf(family, first, end)
  const last = endOf(family, first, end)
  if (last === null) return `'${end}' is not the end of a range of IPv${family} addresses.`
  return last > first ? { family, first, last } : `The range ends before it begins: '${text}'.`
}

/** Every address of a range, in RFC 5952 form. */
export function* addressesOf({ family, first, last }: AddressRange): Generator<string> {
  for (let n = first; n <= last; n++) {
    const word = (shift: bigint) => Number((n >> shift) & 0xffffffffn) | 0
    yield family === 4
      ? address.format4(word(0n))
      : address.format(6, word(96n), word(64n), word(32n), word(0n))
  }
}

function networkOf(family: 4 | 6, first: bigint, text: string): AddressRange | string {
  const bits = family === 4 ? 32 : 128
  const length = numberOf(text, 1, bits)
  if (length === null) return `'${text}' is not the length of a prefix.`
  const host = (1n << BigInt(bits - length)) - 1n
  if ((first & host) !== 0n) return 'The address has bits behind the length of its prefix.'
  return { family, first, last: first | host }
}

function endOf(family: 4 | 6, first: bigint, text: string): bigint | null {
  if (/[.:]/.test(text)) {
    const parsed = address.parse(text)
    return parsed?.family === family ? numeric(parsed) : null
  }
  const [pattern, base, bits] = family === 4 ? [/^\d{1,3}$/, 10, 8n] : [/^[\da-f]{1,4}$/i, 16, 16n]
  if (!pattern.test(text)) return null
  const value = BigInt(parseInt(text, base))
  return value >> bits === 0n ? ((first >> bits) << bits) | value : null
}

function numeric({ family, w0, w1, w2, w3 }: address.Address): bigint {
  const words = (family === 4 ? [w0] : [w0, w1, w2, w3]).map(word => BigInt(word >>> 0))
  return words.reduce((sum, word) => (sum << 32n) | word, 0n)
}
