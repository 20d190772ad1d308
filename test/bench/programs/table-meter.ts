/**
 * One size of the connection table in a process of its own: `node --expose-gc table-meter.js COUNT
 * FAMILY`. Fills the table that the dataplane uses, looks its connections up in random order, lets
 * all of them expire in turns of the dataplane's size, and prints a report (table-report.ts).
 */
import { readFileSync } from 'node:fs'
import koffi from 'koffi'
import { BURST_MAX, EXPIRIES_PER_TURN } from '../../../dataplane/limits.js'
import { Flow } from '../../../dataplane/packet.js'
import * as hugePages from '../../../dataplane/sys/huge-pages.js'
import { ConnReserve, RESERVE_CONNS } from '../../../dataplane/shared/conn-reserve.js'
import { TICKS_PER_SECOND } from '../../../dataplane/timer-wheel.js'
import { World } from '../../dataplane/ipvs/world.js'
import type { TableReport } from '../table-report.js'

const PAGE = 4096
const CLOCK_THREAD_CPUTIME_ID = 3
const UDP = 17
const PORTS_EACH = 50_000
const FIRST_PORT = 1024
/** A prime: `i * STRIDE % count` visits every connection once, in an order that caches hate. */
const STRIDE = 7_368_787
const TIMEOUT_TICKS = 300 * TICKS_PER_SECOND
const LOOKUPS_MAX = 4_000_000
const IDLE_MS = 3000
const SETTLE_MS = 10

const count = Number(process.argv[2])
const family = Number(process.argv[3])
const isIpv6 = family === 6
const flow = new Flow()
flow.family = family
flow.protocol = UDP
flow.dst0 = isIpv6 ? 0x20010db8 : 0xc633640a | 0
flow.dst3 = isIpv6 ? 10 : 0
flow.dstPort = 80
const lookups = Math.min(count, LOOKUPS_MAX)
const order = Int32Array.from({ length: lookups }, (_, i) => (i * STRIDE) % count)
const clock_gettime = koffi.load('libc.so.6').func('int clock_gettime(int, void*)')
const timespec = new BigInt64Array(2)
let longestMs = 0
let longestIn = ''
let idleMs = 0
let found = 0
/** As large as the table's own buckets, and touched. */
const buckets = new Int32Array(2 ** Math.ceil(Math.log2(2 * count)))
hugePages.advise(buckets)
buckets.fill(1)
let sum = 0

const emptyRss = rss()
const { conns, dest, reserve } = makeTable()
reserve.extend()
const insertMs = timed(count, insert)
const rssOctets = rss()
timed(lookups, find)
found = 0
const lookupMs = timed(lookups, find)
const missing = lookups - found
timed(lookups, findExpected)
const burstMs = timed(lookups, findExpected)
const keysMs = timed(lookups, i => fill(order[i]!))
const floorMs = timed(lookups, read) - keysMs
const expireMs = expire()
idle(IDLE_MS)

const report: TableReport = {
  ...{ count, family, missing, rssOctets, longestMs, longestIn, idleMs, left: conns.records.size },
  octetsEach: (rssOctets - emptyRss) / count,
  // Without what it costs to make the keys.
  lookupNs: ((lookupMs - keysMs) / lookups) * 1e6,
  burstNs: ((burstMs - 2 * keysMs) / lookups) * 1e6,
  floorNs: (floorMs / lookups) * 1e6,
  insertsPerS: (count / insertMs) * 1000,
  expiriesPerS: (count / expireMs) * 1000,
}
process.stdout.write(JSON.stringify(report))

function makeTable() {
  const world = new World({ capacity: count, advise: hugePages.advise })
  const server = world.addDest(isIpv6 ? '2001:db8:2::1' : '10.0.0.1', 80)
  const reserve = new ConnReserve(world.memory, world.control)
  return { conns: world.conns, dest: server, reserve }
}

/** The client endpoint of connection `i`. */
function fill(i: number): void {
  const host = Math.floor(i / PORTS_EACH)
  flow.src0 = isIpv6 ? 0x20010db8 : (0x0a000000 + host) | 0
  flow.src1 = isIpv6 ? 0x00010000 : 0
  flow.src3 = isIpv6 ? host : 0
  flow.srcPort = FIRST_PORT + (i - host * PORTS_EACH)
}

/** As scheduling does it for a new client. */
function insert(i: number): void {
  fill(i)
  const { params } = conns
  params.family = flow.family
  params.protocol = flow.protocol
  params.c0 = flow.src0
  params.c1 = flow.src1
  params.c2 = flow.src2
  params.c3 = flow.src3
  params.cport = flow.srcPort
  params.v0 = flow.dst0
  params.v1 = flow.dst1
  params.v2 = flow.dst2
  params.v3 = flow.dst3
  params.vport = flow.dstPort
  params.dport = 80
  const c = conns.create(params, dest, 0, 0)
  conns.records.setTimeoutTicks(c, TIMEOUT_TICKS)
  conns.release(c)
}

function find(i: number): void {
  fill(order[i]!)
  if (conns.table.inGet(flow) !== 0) found++
}

/** One packet's part of a burst: touched with all others first, as Core.expect does it. */
function findExpected(i: number): void {
  if (i % BURST_MAX === 0) {
    const end = Math.min(i + BURST_MAX, lookups)
    for (let j = i; j < end; j++) {
      fill(order[j]!)
      conns.table.expected.add(flow, true)
    }
    conns.table.expected.warm()
  }
  find(i)
}

/** What no hash table can avoid: one random word of the buckets and one of the records. */
function read(i: number): void {
  const c = order[i]!
  fill(c)
  const bucket = buckets[Math.imul(c, 0x9e3779b1) & (buckets.length - 1)]!
  sum = (sum + conns.records.flags(c + bucket)) | 0
}

/**
 * Processor time of this thread in milliseconds: unlike the clock it stands still while somebody
 * else has the core, so a busy machine adds no pauses that are not the table's. The kernel's work
 * for it is in it, V8's compiler threads are not.
 */
function cpuMs(): number {
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, timespec)
  return Number(timespec[0]) * 1000 + Number(timespec[1]) / 1e6
}

/** Turns of the dataplane's size, with time passing a second at each, until nothing is left. */
function expire(): number {
  let total = 0
  let now = conns.wheel.nowTick
  while (conns.records.size > 0) {
    const begin = cpuMs()
    const ran = conns.advance(now, EXPIRIES_PER_TURN)
    total += note(begin, 'expiry')
    if (ran < EXPIRIES_PER_TURN) now += TICKS_PER_SECOND
  }
  return total
}

/** Milliseconds that `work` took for every number below `times`, in turns of a burst. */
function timed(times: number, work: (i: number) => void): number {
  let total = 0
  for (let i = 0; i < times;) {
    const end = Math.min(times, i + BURST_MAX)
    // The main thread's part, which is not this thread's time; nor is what the host of a virtual
    // machine takes for it a moment later.
    if (work === insert && i % RESERVE_CONNS === 0) {
      reserve.extend()
      idle(SETTLE_MS)
    }
    const begin = cpuMs()
    for (; i < end; i++) work(i)
    total += note(begin, work === insert ? `insertion ${i}` : 'lookup')
  }
  return total
}

function note(begin: number, step: string): number {
  const took = cpuMs() - begin
  if (took > longestMs) {
    longestMs = took
    longestIn = step
  }
  return took
}

/** Turns of calculation without any memory for so long: how long the machine itself makes one take. */
function idle(ms: number): void {
  const until = performance.now() + ms
  let begin = cpuMs()
  while (performance.now() < until) {
    for (let i = 0; i < 20_000; i++) sum = Math.imul(sum ^ i, 0x9e3779b1)
    const end = cpuMs()
    if (end - begin > idleMs) idleMs = end - begin
    begin = end
  }
}

/** Octets of memory that this process has in use, garbage collected first. */
function rss(): number {
  globalThis.gc?.()
  return Number(readFileSync('/proc/self/statm', 'latin1').split(' ')[1]) * PAGE
}
