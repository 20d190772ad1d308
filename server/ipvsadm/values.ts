/** Values of options as ipvsadm reads them, with its messages. */
import * as address from '../../dataplane/wire/address.js'
import { fail } from './failure.js'
import { SCHEDULER_FLAG_1, SCHEDULER_FLAG_2, SCHEDULER_FLAG_3 } from './model.js'
import type { Family, Protocol, TunnelType } from './model.js'
import type { Names } from './names.js'

export const TIMEOUT_MAX_S = 31 * 86400
/** Persistence timeout when `-p` has no value. */
export const TIMEOUT_DEFAULT_S = 360
export const INT_MAX = 2 ** 31 - 1
const FWMARK_MAX = 2 ** 32 - 1
const PORT_MAX = 65535

/** strtol and a range: null for everything that is not wholly a number within it. */
export function numberIn(text: string, min: number, max: number): number | null {
  if (!/^\s*[+-]?\d+$/.test(text)) return null
  const value = Number(text)
  return value >= min && value <= max ? value : null
}

export function bounded(text: string, min: number, max: number, message: string): number {
  return numberIn(text, min, max) ?? fail(message)
}

export function timeoutS(text: string, min: number): number {
  return bounded(text, min, TIMEOUT_MAX_S, `invalid timeout value \`${text}' specified`)
}

export function fwmark(text: string): number {
  return bounded(text, 1, FWMARK_MAX, `invalid fwmark value \`${text}' specified`)
}

export interface ParsedEndpoint {
  family: Family
  address: string
  /** Null when none was given. */
  port: number | null
}

/** `host[:port]`, `[v6]:port` or a bare IPv6 address; null when it is none of them. */
export async function endpoint(
  text: string,
  protocol: Protocol | null,
  names: Names,
): Promise<ParsedEndpoint | null> {
  if (/^\d*$/.test(text)) return null
  const { host, port } = splitEndpoint(text)
  const where = await hostAddress(host, names)
  if (where === null) return null
  if (port === null) return { ...where, port: null }
  const number =
    numberIn(port, 0, PORT_MAX) ?? (protocol === null ? null : await names.port(port, protocol))
  return number === null ? null : { ...where, port: number }
}

function splitEndpoint(text: string): { host: string; port: string | null } {
  if (text.startsWith('[')) {
    const close = text.indexOf(']')
    if (close < 0) return { host: '', port: null }
    const behind = text.slice(close + 1)
    const host = text.slice(1, close)
    if (!behind.startsWith(':')) return { host: '', port: null }
    // What is no IPv6 address is read without the brackets, and without what stands behind them.
    return isIPv6(host) ? { host, port: behind.slice(1) } : splitEndpoint4(host)
  }
  return isIPv6(text) ? { host: text, port: null } : splitEndpoint4(text)
}

function splitEndpoint4(text: string): { host: string; port: string | null } {
  const colon = text.lastIndexOf(':')
  if (colon < 0) return { host: text, port: null }
  return { host: text.slice(0, colon), port: text.slice(colon + 1) }
}

const isIPv6 = (text: string): boolean => address.parse(text)?.family === 6

async function hostAddress(
  host: string,
  names: Names,
): Promise<{ family: Family; address: string } | null> {
  const parsed = address.parse(host)
  if (parsed?.family === 6) return { family: 6, address: canonical(parsed) }
  const dotted = inetAton(host)
  if (dotted !== null) return { family: 4, address: address.format4(dotted) }
  const found = host === '' ? null : await names.address(host)
  return found === null ? null : { family: 4, address: found }
}

const canonical = (a: address.Address): string => address.format(a.family, a.w0, a.w1, a.w2, a.w3)

/** inet_aton(3): one to four parts, each decimal, octal or hexadecimal; the last fills the rest. */
export function inetAton(text: string): number | null {
  const parts = text.split('.')
  if (parts.length > 4) return null
  const numbers = parts.map(part => {
    if (/^0[xX][0-9a-fA-F]+$/.test(part)) return parseInt(part.slice(2), 16)
    if (/^0[0-7]*$/.test(part)) return parseInt(part, 8)
    return /^[1-9]\d*$/.test(part) ? Number(part) : NaN
  })
  const last = numbers.pop()!
  if (numbers.some(n => !(n <= 255)) || !(last < 256 ** (4 - numbers.length))) return null
  const high = numbers.reduce((sum, n, i) => sum + n * 256 ** (3 - i), 0)
  return (high + last) | 0
}

export function netmask4(text: string): string {
  const mask = inetAton(text)
  if (mask === null) fail('illegal virtual server persistent mask specified')
  return address.format4(mask)
}

/** atoi(3): digits up to the first other character. */
export function netmask6(text: string): number {
  const prefix = Number(/^\s*([+-]?\d+)/.exec(text)?.[1] ?? 0)
  return prefix >= 1 && prefix <= 128 ? prefix : fail('illegal ipv6 netmask specified')
}

const FLAGS: Record<string, { bit: number; scheduler?: string }> = {
  'sh-fallback': { bit: SCHEDULER_FLAG_1, scheduler: 'sh' },
  'sh-port': { bit: SCHEDULER_FLAG_2, scheduler: 'sh' },
  'mh-fallback': { bit: SCHEDULER_FLAG_1, scheduler: 'mh' },
  'mh-port': { bit: SCHEDULER_FLAG_2, scheduler: 'mh' },
  'flag-1': { bit: SCHEDULER_FLAG_1 },
  'flag-2': { bit: SCHEDULER_FLAG_2 },
  'flag-3': { bit: SCHEDULER_FLAG_3 },
}

export function schedulerFlags(text: string, scheduler: string): number {
  let bits = 0
  for (const name of text.split(',').filter(each => each !== '')) {
    const row = Object.hasOwn(FLAGS, name) ? FLAGS[name]! : undefined
    if (row === undefined) fail(`invalid scheduler flag \`${name}'`)
    if (row.scheduler !== undefined && row.scheduler !== scheduler)
      fail(`incompatible scheduler flag \`${name}'`)
    bits |= row.bit
  }
  return bits
}

/** What the bits are called under that scheduler. */
export function schedulerFlagNames(bits: number, scheduler: string): string[] {
  const own = scheduler === 'sh' || scheduler === 'mh'
  const names: [number, string][] = [
    [SCHEDULER_FLAG_1, own ? `${scheduler}-fallback` : 'flag-1'],
    [SCHEDULER_FLAG_2, own ? `${scheduler}-port` : 'flag-2'],
    [SCHEDULER_FLAG_3, 'flag-3'],
  ]
  return names.filter(([bit]) => (bits & bit) !== 0).map(([, name]) => name)
}

export function tunnelType(text: string): TunnelType {
  if (text === 'ipip' || text === 'gue' || text === 'gre') return text
  return fail('illegal tunnel type specified')
}

export function multicastGroup(text: string): string {
  const parsed = address.parse(text)
  if (text.includes(':')) {
    const ok = parsed?.family === 6 && parsed.w0 >>> 24 === 0xff
    return ok ? canonical(parsed) : fail(`invalid IPv6 mcast-group \`${text}'`)
  }
  const ok = parsed?.family === 4 && parsed.w0 >>> 28 === 0xe
  return ok ? canonical(parsed) : fail(`invalid IPv4 mcast-group \`${text}'`)
}
