/**
 * The datagrams that are being put together: found by their key, listed by age within their family
 * (one timeout each, so the oldest is due first) and within their source (for its share of memory).
 */
import { FragmentQueue } from './fragment-queue.js'
import { IPV4, type Flow } from './packet.js'
import { FRAGMENT } from './wire/ip-protocol.js'

/** net.ipv4.ipfrag_time and net.ipv6.ip6frag_time. */
export const TIMEOUT4_MS = 30_000
export const TIMEOUT6_MS = 60_000
const BUCKETS = 1 << 10

/** Ends of a list of queues by age. */
export interface Ages {
  oldest: FragmentQueue | null
  newest: FragmentQueue | null
}

/** Addresses that share a hash share this; memory blocks are counted by the owner of the table. */
export interface Source extends Ages {
  blocks: number
}

/** A source address, of a packet or of a datagram's key. */
type SourceWords = Pick<Flow, 'src0' | 'src1' | 'src2' | 'src3'>

export class FragmentTable {
  readonly ages4: Ages = { oldest: null, newest: null }
  readonly ages6: Ages = { oldest: null, newest: null }
  /** Datagrams that are waiting. */
  count = 0
  readonly #seed: number
  readonly #buckets: (FragmentQueue | null)[] = new Array<null>(BUCKETS).fill(null)
  readonly #sources: readonly Source[] = Array.from({ length: BUCKETS }, () => ({
    oldest: null,
    newest: null,
    blocks: 0,
  }))
  readonly #spare: FragmentQueue[] = []

  /** `seed` is random, so that nobody can choose datagrams that share a bucket. */
  constructor(seed: number) {
    this.#seed = seed
  }

  sourceOf(flow: SourceWords): Source {
    return this.#sources[this.#hashSource(flow) & (BUCKETS - 1)]!
  }

  find(flow: Flow, identification: number): FragmentQueue | null {
    const protocol = keyProtocol(flow)
    let queue = this.#buckets[this.#hash(flow, identification) & (BUCKETS - 1)] ?? null
    while (queue !== null && !queue.matches(flow, protocol, identification)) {
      queue = queue.nextInBucket
    }
    return queue
  }

  create(flow: Flow, identification: number, nowMs: number): FragmentQueue {
    const queue = this.#spare.pop() ?? new FragmentQueue()
    const hash = this.#hash(flow, identification)
    const bucket = hash & (BUCKETS - 1)
    queue.reset(flow, keyProtocol(flow), identification, hash)
    queue.deadlineMs = nowMs + (flow.family === IPV4 ? TIMEOUT4_MS : TIMEOUT6_MS)
    queue.nextInBucket = this.#buckets[bucket]!
    this.#buckets[bucket] = queue
    append(this.#agesOf(queue), queue)
    appendOfSource(this.sourceOf(flow), queue)
    this.count++
    return queue
  }

  /** The datagram that has waited longest, of either family. */
  oldest(): FragmentQueue | null {
    const a = this.ages4.oldest
    const b = this.ages6.oldest
    if (a === null || b === null) return a ?? b
    // Deadlines differ by family, ages do not.
    return a.deadlineMs - TIMEOUT4_MS <= b.deadlineMs - TIMEOUT6_MS ? a : b
  }

  /** Forgets a queue, which may be used again for the next datagram. */
  remove(queue: FragmentQueue, source: Source): void {
    const bucket = queue.hash & (BUCKETS - 1)
    let before = this.#buckets[bucket]!
    if (before === queue) this.#buckets[bucket] = queue.nextInBucket
    else {
      while (before.nextInBucket !== queue) before = before.nextInBucket!
      before.nextInBucket = queue.nextInBucket
    }
    unlink(this.#agesOf(queue), queue)
    unlinkOfSource(source, queue)
    this.#spare.push(queue)
    this.count--
  }

  #agesOf(queue: FragmentQueue): Ages {
    return queue.family === IPV4 ? this.ages4 : this.ages6
  }

  #hashSource({ src0, src1, src2, src3 }: SourceWords): number {
    return mix(mix(mix(mix(this.#seed, src0), src1), src2), src3)
  }

  #hash(flow: Flow, identification: number): number {
    const { dst0, dst1, dst2, dst3 } = flow
    return mix(mix(mix(mix(mix(this.#hashSource(flow), dst0), dst1), dst2), dst3), identification)
  }
}

/** IPv6 does not tell datagrams apart by protocol (RFC 8200 section 4.5), IPv4 does. */
const keyProtocol = (flow: Flow): number => (flow.family === IPV4 ? flow.protocol : FRAGMENT)

function append(ages: Ages, queue: FragmentQueue): void {
  queue.older = ages.newest
  queue.newer = null
  if (ages.newest === null) ages.oldest = queue
  else ages.newest.newer = queue
  ages.newest = queue
}

function unlink(ages: Ages, { older, newer }: FragmentQueue): void {
  if (older === null) ages.oldest = newer
  else older.newer = newer
  if (newer === null) ages.newest = older
  else newer.older = older
}

function appendOfSource(source: Source, queue: FragmentQueue): void {
  queue.olderOfSource = source.newest
  queue.newerOfSource = null
  if (source.newest === null) source.oldest = queue
  else source.newest.newerOfSource = queue
  source.newest = queue
}

function unlinkOfSource(source: Source, { olderOfSource, newerOfSource }: FragmentQueue): void {
  if (olderOfSource === null) source.oldest = newerOfSource
  else olderOfSource.newerOfSource = newerOfSource
  if (newerOfSource === null) source.newest = olderOfSource
  else newerOfSource.olderOfSource = olderOfSource
}

/** One round of a multiplicative hash: good enough with a secret seed. */
function mix(hash: number, word: number): number {
  const h = Math.imul(hash ^ word, 0x9e3779b1)
  return h ^ (h >>> 15)
}
