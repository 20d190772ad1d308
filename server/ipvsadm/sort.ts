/**
 * The order of a sorted listing. ipvsadm subtracts words of addresses, ports and marks as signed
 * 32-bit numbers that wrap, so 192.168.10.11 stands before 10.0.0.100 and mark 2^32 - 1 before all.
 */
import * as address from '../../dataplane/wire/address.js'
import type { Endpoint, ListedDest, ListedService, Protocol } from './model.js'

const NUMBERS: Record<Protocol, number> = { tcp: 6, udp: 17, sctp: 132 }
/** AF_INET and AF_INET6. */
const FAMILIES = { 4: 2, 6: 10 } as const

export const sortedServices = (services: readonly ListedService[]): ListedService[] =>
  mergeSort(services, compareServices)

export const sortedDests = (dests: readonly ListedDest[]): ListedDest[] =>
  mergeSort(dests, compareDests)

function compareServices(a: ListedService, b: ListedService): number {
  const x = a.key
  const y = b.key
  return (
    wrap(x.fwmark, y.fwmark) ||
    FAMILIES[x.family] - FAMILIES[y.family] ||
    NUMBERS[x.protocol] - NUMBERS[y.protocol] ||
    (x.fwmark === 0 ? compareEndpoints(x, y) : 0)
  )
}

function compareDests(a: ListedDest, b: ListedDest): number {
  return FAMILIES[a.family] - FAMILIES[b.family] || compareEndpoints(a, b)
}

function compareEndpoints(a: Endpoint, b: Endpoint): number {
  const x = address.parse(a.address)!
  const y = address.parse(b.address)!
  return (
    wrap(x.w0, y.w0) ||
    wrap(x.w1, y.w1) ||
    wrap(x.w2, y.w2) ||
    wrap(x.w3, y.w3) ||
    wrap(a.port, b.port)
  )
}

const wrap = (a: number, b: number): number => (a - b) | 0

/** Stable, and well defined even though the order is not transitive: the merge decides. */
function mergeSort<T>(items: readonly T[], compare: (a: T, b: T) => number): T[] {
  if (items.length < 2) return [...items]
  const middle = items.length >>> 1
  const left = mergeSort(items.slice(0, middle), compare)
  const right = mergeSort(items.slice(middle), compare)
  const sorted: T[] = []
  let i = 0
  let j = 0
  while (i < left.length && j < right.length) {
    sorted.push(compare(left[i]!, right[j]!) <= 0 ? left[i++]! : right[j++]!)
  }
  return [...sorted, ...left.slice(i), ...right.slice(j)]
}
