/** IP addresses at the API's edge: text in, the one text form of RFC 5952 out. */
import { isIP } from 'node:net'
import type { FamilyName } from '../dataplane/protocol.js'

export interface IpAddress {
  family: FamilyName
  /** RFC 5952 form. */
  text: string
}

/** Null when the text is no IPv4 or IPv6 address; zone identifiers are not part of an address. */
export function parseAddress(text: string): IpAddress | null {
  const version = text.includes('%') ? 0 : isIP(text)
  if (version === 4) return { family: 'ipv4', text }
  if (version === 6) return { family: 'ipv6', text: formatGroups(groupsOf(text)) }
  return null
}

/** Why an address can be neither a VIP nor a real server, or null. */
export function notUsable({ family, text }: IpAddress): string | null {
  if (family === 'ipv4') {
    const first = Number(text.slice(0, text.indexOf('.')))
    if (first === 0) return 'addresses of 0.0.0.0/8 belong to no host'
    if (first >= 224 && first <= 239) return 'it is a multicast address'
    return text === '255.255.255.255' ? 'it is the broadcast address' : null
  }
  const groups = groupsOf(text)
  if (groups.every(group => group === 0)) return 'the unspecified address belongs to no host'
  if (groups[0]! >>> 8 === 0xff) return 'it is a multicast address'
  const mapped = groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff
  return mapped ? 'IPv4-mapped addresses never appear in packets; write the IPv4 address' : null
}

/** fe80::/10, RFC 4291 section 2.5.6. */
export const isLinkLocal6 = ({ family, text }: IpAddress): boolean =>
  family === 'ipv6' && (groupsOf(text)[0]! & 0xffc0) === 0xfe80

/** What belongs to one host for sure: an IPv4 address, of IPv6 the /64. Other texts stay. */
export function addressBlock(text: string): string {
  const [address = ''] = text.split('%')
  if (isIP(address) !== 6) return text
  return `${formatGroups([...groupsOf(address).slice(0, 4), 0, 0, 0, 0])}/64`
}

/** The octets of a valid text, 4 or 16. */
export function addressOctets(text: string): Buffer {
  if (isIP(text) === 4) return Buffer.from(text.split('.').map(Number))
  return Buffer.from(groupsOf(text).flatMap(group => [group >> 8, group & 255]))
}

/** The eight 16-bit groups of a valid IPv6 text. */
function groupsOf(text: string): number[] {
  const [head, tail] = text.split('::')
  const left = wordsOf(head!)
  const right = tail === undefined ? [] : wordsOf(tail)
  return [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right]
}

function wordsOf(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap(word => {
    if (!word.includes('.')) return [parseInt(word, 16)]
    const [a, b, c, d] = word.split('.').map(Number)
    return [(a! << 8) | b!, (c! << 8) | d!]
  })
}

/**
 * RFC 5952 section 4: lower case, no leading zeros, `::` for the longest run of at least two zero
 * groups, the first one of several; section 5: IPv4-mapped addresses end in dotted form.
 */
function formatGroups(groups: readonly number[]): string {
  if (groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff) {
    const octets = [groups[6]! >> 8, groups[6]! & 255, groups[7]! >> 8, groups[7]! & 255]
    return `::ffff:${octets.join('.')}`
  }
  let start = -1
  let length = 1
  for (let i = 0; i < 8; i++) {
    let end = i
    while (end < 8 && groups[end] === 0) end++
    if (end - i > length) {
      start = i
      length = end - i
    }
    i = Math.max(i, end - 1)
  }
  const hex = groups.map(group => group.toString(16))
  if (start < 0) return hex.join(':')
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`
}

export interface IpPrefix {
  family: FamilyName
  /** With the bits behind its length cleared: `198.51.100.0/24`. */
  text: string
  /** Whether it was written with any of those bits set. */
  hostBits: boolean
}

/** `address/length`, or an address alone for all of its bits. */
export function parsePrefix(text: string): IpPrefix | null {
  const [before, after, ...more] = text.split('/')
  const address = parseAddress(before!)
  if (address === null || more.length > 0) return null
  const bits = address.family === 'ipv4' ? 32 : 128
  const length = after === undefined ? bits : /^\d{1,3}$/.test(after) ? Number(after) : NaN
  if (!(length <= bits)) return null
  const network = networkOf(address, length)
  return {
    family: address.family,
    text: `${network}/${length}`,
    hostBits: network !== address.text,
  }
}

function networkOf({ family, text }: IpAddress, length: number): string {
  const size = family === 'ipv4' ? 8 : 16
  const words = family === 'ipv4' ? text.split('.').map(Number) : groupsOf(text)
  const masked = words.map((word, i) => {
    const kept = Math.min(size, Math.max(0, length - i * size))
    return word & ~((1 << (size - kept)) - 1)
  })
  return family === 'ipv4' ? masked.join('.') : formatGroups(masked)
}
