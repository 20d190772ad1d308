/**
 * Compares what came out with what the kernel sent and printed. The only things that are not
 * compared are those that varied between two recordings; each has its name here.
 */
import { onesComplement } from '../fixtures/packets.js'
import type { Output } from './case.js'
import type { SeenFrame } from './director.js'
import { readHeaders, type Headers } from './headers.js'
import { expectedText, seenText } from './packet-text.js'

export interface Difference {
  expected: string
  seen: string
}

const NOTHING = '(nothing)'
const DF = 0x4000
const ICMP = 1
const UDP = 17
const FRAGMENT = 44
/** IPIP, IPv6 in IP, GUE's UDP, GRE: what stands in the outer header of a tunnel. */
const TUNNELS = [4, 41, UDP, 47]
const SYNC_PORT = 8848

/** `injected`: the packet that caused it all, or null when time did. */
export function compareFrames(
  expected: readonly Output[],
  seen: readonly SeenFrame[],
  injected: Uint8Array | null,
): Difference[] {
  const differences: Difference[] = []
  for (let i = 0; i < Math.max(expected.length, seen.length); i++) {
    const e = expected[i]
    const s = seen[i]
    if (e !== undefined && s !== undefined && isSame(e, s, injected)) continue
    differences.push({
      expected: e === undefined ? NOTHING : expectedText(e),
      seen: s === undefined ? NOTHING : seenText(s),
    })
  }
  for (const d of differences) if (d.expected === d.seen) d.seen += ' (other octets)'
  return differences
}

function isSame(expected: Output, seen: SeenFrame, injected: Uint8Array | null): boolean {
  if (expected.port !== seen.port) return false
  if ('eth' in expected) {
    const frame = Buffer.from(expected.eth, 'hex')
    return (
      frame.subarray(12, 14).readUInt16BE() === seen.etherType && frame.subarray(14).equals(seen.ip)
    )
  }
  if (expected.dmac !== seen.dmac) return false
  const wanted = Buffer.from(expected.ip, 'hex')
  const got = Buffer.from(seen.ip)
  if (wanted.equals(got)) return true
  const created = isCreated(wanted, injected)
  return normalised(wanted, created).equals(normalised(got, created))
}

/** Whether the director made the packet, or its outer header, itself rather than passing it on. */
function isCreated(ip: Buffer, injected: Uint8Array | null): boolean {
  const own = readHeaders(ip)
  if (own === null) return false
  const cause = injected === null ? null : readHeaders(injected)
  if (cause === null || cause.family !== own.family) return true
  if (own.family === 6) {
    const isWhole = own.total === cause.total || own.moreFragments || own.fragmentOffset !== 0
    return own.protocol !== cause.protocol || own.ttl !== cause.ttl - 1 || !isWhole
  }
  const sameId = ip.readUInt16BE(4) === Buffer.from(injected!).readUInt16BE(4)
  return !sameId
}

function normalised(ip: Buffer, created: boolean): Buffer {
  const out = Buffer.from(ip)
  const h = readHeaders(out)
  if (h === null) return out
  if (h.family === 6) {
    if (created) maskFlowLabel(out)
    maskFragmentId(out)
  } else if (created) maskIdentification(out, h)
  maskTunnelSourcePort(out, h)
  maskSyncSourcePort(out, h)
  return out
}

/** IPv4 identification of ICMP errors and answers, and of outer headers without DF. */
function maskIdentification(ip: Buffer, h: Headers): void {
  const isOuter = TUNNELS.includes(h.protocol) && (ip.readUInt16BE(6) & DF) === 0
  if (h.protocol !== ICMP && !isOuter) return
  if (onesComplement(ip.subarray(0, h.l4)) !== 0) return
  ip.writeUInt16BE(0, 4)
  ip.writeUInt16BE(0, 10)
}

/** IPv6 flow label of what the director itself creates. */
function maskFlowLabel(ip: Buffer): void {
  ip.writeUInt32BE((ip.readUInt32BE(0) & 0xfff00000) >>> 0, 0)
}

/** IPv6 fragments are the director's own: it reassembles and cuts anew. */
function maskFragmentId(ip: Buffer): void {
  if (ip[6] === FRAGMENT) ip.writeUInt32BE(0, 44)
}

/** UDP source port of GUE; its checksum covers it, so it is checked and masked too. */
function maskTunnelSourcePort(ip: Buffer, h: Headers): void {
  const inner = h.l4 + 8
  if (h.protocol !== UDP || h.fragmentOffset !== 0 || ip.length < inner + 5) return
  const isGue = ip[inner] === 0 && (ip[inner + 1] === 4 || ip[inner + 1] === 41)
  if (isGue && ip.readUInt16BE(inner + 2) === 0) maskSourcePort(ip, h)
}

/** UDP source port of synchronisation. */
function maskSyncSourcePort(ip: Buffer, h: Headers): void {
  if (h.protocol === UDP && h.ports?.dst === SYNC_PORT) maskSourcePort(ip, h)
}

function maskSourcePort(ip: Buffer, h: Headers): void {
  ip.writeUInt16BE(0, h.l4)
  if (ip.readUInt16BE(h.l4 + 6) !== 0) ip.writeUInt16BE(0xffff, h.l4 + 6)
}

/** What a command printed, line by line. */
export function compareText(expected: string, seen: string): Difference[] {
  if (expected === seen) return []
  const isTable = expected.startsWith('IPVS connection entries\n')
  const wanted = isTable ? connectionLines(expected) : expected.split('\n')
  const got = isTable ? connectionLines(seen) : seen.split('\n')
  if (isTable) {
    dropExpired(wanted, got)
    alignExpiries(wanted, got)
  }
  const differences: Difference[] = []
  for (let i = 0; i < Math.max(wanted.length, got.length); i++) {
    if (wanted[i] === got[i]) continue
    differences.push({ expected: wanted[i] ?? NOTHING, seen: got[i] ?? NOTHING })
  }
  return differences
}

/** Protocol, minutes, seconds, all the rest. */
const EXPIRY = /^(\S+ +)(\d+):(\d\d)( .*)$/

/** The order of a connection listing is that of a hash. Sorted by addresses, then the rest. */
function connectionLines(text: string): string[] {
  const [title = '', columns = '', ...rows] = text.split('\n')
  const key = (row: string) => {
    const [protocol, expiry, state, ...endpoints] = row.split(/\s+/)
    return [...endpoints, protocol, state, expiry].join(' ')
  }
  const sorted = rows.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0))
  return [title, columns, ...sorted]
}

/** A line with expiry 00:00 may be there or not: the kernel removes it at its next tick. */
function dropExpired(wanted: string[], got: string[]): void {
  const isExpired = (row: string) => /^\S+ +00:00 /.test(row)
  drop(wanted, row => isExpired(row) && !got.includes(row))
  drop(got, row => isExpired(row) && !wanted.includes(row))
}

/**
 * An expiry is shown in whole seconds, counted from ticks whose edges were not recorded: one second
 * more or less is the same.
 */
function alignExpiries(wanted: readonly string[], got: string[]): void {
  for (let i = 0; i < got.length; i++) {
    const w = EXPIRY.exec(wanted[i] ?? '')
    const g = EXPIRY.exec(got[i]!)
    if (w === null || g === null || w[1] !== g[1] || w[4] !== g[4]) continue
    const apart = Number(w[2]) * 60 + Number(w[3]) - Number(g[2]) * 60 - Number(g[3])
    if (Math.abs(apart) <= 1) got[i] = wanted[i]!
  }
}

function drop(rows: string[], isGone: (row: string) => boolean): void {
  const kept = rows.filter(row => !isGone(row))
  rows.splice(0, rows.length, ...kept)
}
