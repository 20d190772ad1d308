// IP addresses as text and as four signed words. IPv4 stands in word 0, the rest is zero. Reads
// what RFC 4291 section 2.2 allows and dotted quads without leading zeros (RFC 6943 section 3.1.1
// tells why); writes what RFC 5952 recommends. Text exists only at the edges: none of this is for
// the packet path.

export interface Address {
  /** 4 or 6. */
  readonly family: number
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
}

/** An address and how many of its first bits count. */
export interface Prefix extends Address {
  readonly prefixLength: number
}

/** 4 or 6, or 0 when the text is no address. */
export const family = (text: string): number => parse(text)?.family ?? 0

/** Null when the text is neither an IPv4 nor an IPv6 address; zones (`%eth0`) are not taken. */
export function parse(text: string): Address | null {
  if (text.includes(':')) return parse6(text)
  const w0 = parse4(text)
  return w0 === null ? null : { family: 4, w0, w1: 0, w2: 0, w3: 0 }
}

/** A dotted quad as a signed word; null when it is not exactly that. */
export function parse4(text: string): number | null {
  let word = 0
  let parts = 0
  for (const part of text.split('.')) {
    const octet = decimal(part, 255)
    if (octet < 0 || ++parts > 4) return null
    word = (word << 8) | octet
  }
  return parts === 4 ? word : null
}

/** IPv6 text, a trailing dotted quad included; null when it is not exactly that. */
export function parse6(text: string): Address | null {
  const gap = text.indexOf('::')
  if (gap < 0) {
    const groups = parseGroups(text)
    return groups?.length === 8 ? fromGroups(groups) : null
  }
  const head = gap === 0 ? [] : parseGroups(text.slice(0, gap), false)
  const tail = gap + 2 === text.length ? [] : parseGroups(text.slice(gap + 2))
  // A double colon stands for at least one group.
  if (head === null || tail === null || head.length + tail.length > 7) return null
  const zeros = new Array<number>(8 - head.length - tail.length).fill(0)
  return fromGroups([...head, ...zeros, ...tail])
}

/** An address followed by `/length`; without it the whole address counts. */
export function parsePrefix(text: string): Prefix | null {
  const slash = text.indexOf('/')
  const address = parse(slash < 0 ? text : text.slice(0, slash))
  if (address === null) return null
  const bits = address.family === 4 ? 32 : 128
  const prefixLength = slash < 0 ? bits : decimal(text.slice(slash + 1), bits)
  return prefixLength < 0 ? null : { ...address, prefixLength }
}

/** Text of an address of either family. */
export const format = (family: number, w0: number, w1: number, w2: number, w3: number): string =>
  family === 4 ? format4(w0) : format6(w0, w1, w2, w3)

export const format4 = (word: number): string =>
  `${word >>> 24}.${(word >>> 16) & 0xff}.${(word >>> 8) & 0xff}.${word & 0xff}`

/** RFC 5952: lower case, the longest run of zero groups shortened, mapped IPv4 dotted. */
export function format6(w0: number, w1: number, w2: number, w3: number): string {
  if (w0 === 0 && w1 === 0 && w2 === 0xffff) return `::ffff:${format4(w3)}`
  const groups = [w0, w1, w2, w3].flatMap(word => [word >>> 16, word & 0xffff])
  let best = -1
  // A single zero group is not shortened (section 4.2.2); of equal runs the first is (4.2.3).
  let bestCount = 1
  for (let i = 0; i < 8; i++) {
    let count = 0
    while (i + count < 8 && groups[i + count] === 0) count++
    if (count > bestCount) {
      best = i
      bestCount = count
    }
  }
  const hex = (from: number, to?: number) =>
    groups
      .slice(from, to)
      .map(group => group.toString(16))
      .join(':')
  return best < 0 ? hex(0) : `${hex(0, best)}::${hex(best + bestCount)}`
}

/** Word `index` (0-3) of the mask of that many leading ones. */
export function maskWord(prefixLength: number, index: number): number {
  const bits = prefixLength - index * 32
  if (bits <= 0) return 0
  return bits >= 32 ? -1 : -1 << (32 - bits)
}

/** Whether the address of that family lies in the prefix. */
export function inPrefix(
  { family: wanted, w0: p0, w1: p1, w2: p2, w3: p3, prefixLength }: Prefix,
  family: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
): boolean {
  return (
    wanted === family &&
    ((w0 ^ p0) & maskWord(prefixLength, 0)) === 0 &&
    ((w1 ^ p1) & maskWord(prefixLength, 1)) === 0 &&
    ((w2 ^ p2) & maskWord(prefixLength, 2)) === 0 &&
    ((w3 ^ p3) & maskWord(prefixLength, 3)) === 0
  )
}

/** Prefix length of a netmask such as 255.255.255.0; -1 when its ones are not contiguous. */
export function maskLength(mask: number): number {
  const zeros = 32 - Math.clz32(~mask)
  return mask === (zeros === 32 ? 0 : -1 << zeros) ? 32 - zeros : -1
}

/** Groups between single colons; a dotted quad may stand last and counts as two. */
function parseGroups(text: string, quadAllowed = true): number[] | null {
  const groups: number[] = []
  const parts = text.split(':')
  for (const [i, part] of parts.entries()) {
    if (quadAllowed && i === parts.length - 1 && part.includes('.')) {
      const word = parse4(part)
      if (word === null) return null
      groups.push(word >>> 16, word & 0xffff)
      continue
    }
    const group = hexGroup(part)
    if (group < 0) return null
    groups.push(group)
  }
  return groups
}

function fromGroups(groups: readonly number[]): Address {
  const word = (i: number) => (groups[i * 2]! << 16) | groups[i * 2 + 1]!
  return { family: 6, w0: word(0), w1: word(1), w2: word(2), w3: word(3) }
}

/** A decimal number up to `max` without leading zeros, or -1. */
function decimal(text: string, max: number): number {
  if (text.length === 0 || text.length > 3 || (text.length > 1 && text[0] === '0')) return -1
  let value = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value <= max ? value : -1
}

/** One to four hexadecimal digits, or -1. */
function hexGroup(text: string): number {
  if (text.length === 0 || text.length > 4) return -1
  let value = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    const lower = code | 0x20
    if (code >= 0x30 && code <= 0x39) value = (value << 4) | (code - 0x30)
    else if (lower >= 0x61 && lower <= 0x66) value = (value << 4) | (lower - 0x57)
    else return -1
  }
  return value
}
