/**
 * The order in which the kernel lists services: by the buckets of its two hash tables, newest first
 * within one. Its hash is salted with an address of the kernel's, so any salt is as good as another;
 * this one is what a recorded kernel had.
 */
import * as address from '../../dataplane/wire/address.js'
import type { Protocol, ServiceKey } from './model.js'

const SALT = 0x10
const BUCKETS = 256
const NUMBERS: Record<Protocol, number> = { tcp: 6, udp: 17, sctp: 132 }

/** Sorts services that are given newest first. */
export function kernelOrder<T extends { key: ServiceKey }>(services: readonly T[]): T[] {
  return services
    .map(service => ({ service, place: placeOf(service.key) }))
    .sort((a, b) => a.place - b.place)
    .map(({ service }) => service)
}

/** Address services before those of marks. */
function placeOf({ fwmark, address: text, protocol, port }: ServiceKey): number {
  if (fwmark !== 0) return BUCKETS + bucket(fwmark)
  const a = address.parse(text)!
  const folded = a.w0 ^ a.w1 ^ a.w2 ^ a.w3
  return bucket(NUMBERS[protocol] ^ folded ^ (port >>> 8) ^ port)
}

const bucket = (hash: number): number => (hash ^ SALT) & (BUCKETS - 1)
