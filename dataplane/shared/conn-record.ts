/**
 * The layout of one connection in the slab: 32 words, two cache lines. The slab is an Int32Array
 * over shared memory; connection number c starts at word `c * WORDS`. Number 0 is never a
 * connection; numbers 1 .. AUXILIARY - 1 only lend their timer words to periodic jobs.
 *
 *     word  0  1     2      3   4   5   6     7     8    9       10   11      12  13   14   15
 *          next info cport/ c0  v0  d0  dport flags dest expires slot timeout adj inPk ctl  nCtl
 *     word 16    17   18 19 20  21 22 23  24 25 26  27     28  29   30     31
 *          tNext tPrev c1 c2 c3  v1 v2 v3  d1 d2 d3  fwmark app sync serial pe
 *
 * The first line holds all that an established IPv4 packet touches. The main thread reads records
 * to list them and may see one that is being changed; it never writes.
 */
export const WORDS = 32
/**
 * Octets in front of record 0, so that records begin at cache lines: allocators put 16 octets of
 * their own in front of a large block, and a record would lie in three lines. Where another
 * allocator does otherwise, only time is lost.
 */
const LEAD_OCTETS = 112

/** Octets of memory for that many records, numbers 0 .. AUXILIARY - 1 included. */
export const octetsFor = (records: number): number => LEAD_OCTETS + records * WORDS * 4

/** The records in memory of that size. */
export const wordsOf = (memory: SharedArrayBuffer): Int32Array =>
  new Int32Array(memory, LEAD_OCTETS)
/** Periodic jobs that share the connections' timer wheel (trash, estimator, defence). */
export const AUXILIARY = 8

export const NEXT = 0
/**
 * 0 = free. Bits 0-7 protocol, 8-10 family (4 or 6), 11-13 family of the real server's address,
 * 16-23 protocol state, 31 in use.
 */
export const INFO = 1
/** Client port << 16 | virtual port. */
export const PORTS = 2
export const C0 = 3
export const V0 = 4
export const D0 = 5
/** Real server's port; upper half is free. */
export const DPORT = 6
/** IPVS connection flags, below. */
export const FLAGS = 7
/** Statistics row of the real server, 0 = none. */
export const DEST = 8
/** Tick (10 ms) at which the timer is due. */
export const EXPIRES = 9
/** Wheel slot the timer sits in, -1 = not armed. */
export const SLOT = 10
/** Ticks that the timer is armed for when the connection is released. */
export const TIMEOUT = 11
/** Cached adjacency towards the client: network generation << 20 | index. */
export const ADJACENCY = 12
export const IN_PKTS = 13
/** Controlling connection (template, FTP control), 0 = none. */
export const CONTROL = 14
/** How many connections this one controls. */
export const N_CONTROL = 15
export const TIMER_NEXT = 16
export const TIMER_PREV = 17
export const C1 = 18
export const V1 = 21
export const D1 = 24
export const FWMARK = 27
/** Number of the helper (TCP); verification tag of the server's end (SCTP). */
export const APP = 28
export const SYNC = 29
/** Counts insertions (wrapping): which of two records is newer, and is it still the same one. */
export const SERIAL = 30
/** Record of what a persistence engine knows this template by (pe-record.ts), 0 = none. */
export const PE = 31

/** Bit 31 of INFO. */
export const IN_USE = 0x80000000 | 0

export const protocolOf = (info: number): number => info & 0xff
export const familyOf = (info: number): number => (info >>> 8) & 7
export const destFamilyOf = (info: number): number => (info >>> 11) & 7
export const stateOf = (info: number): number => (info >>> 16) & 0xff

/** Connection flags, IPVS values (include/uapi/linux/ip_vs.h). */
export const FWD_MASK = 0x0007
export const MASQ = 0
export const LOCALNODE = 1
export const TUNNEL = 2
export const DROUTE = 3
export const BYPASS = 4
export const SYNCED = 0x0020
export const HASHED = 0x0040
export const NOOUTPUT = 0x0080
export const INACTIVE = 0x0100
export const OUT_SEQ = 0x0200
export const IN_SEQ = 0x0400
export const NO_CPORT = 0x0800
export const TEMPLATE = 0x1000
export const ONE_PACKET = 0x2000
// Not IPVS's.
/** It has a helper (APP), which is asked of every packet. */
export const HELPED = 0x40000000
/** Ended by the operator: it only stays to refuse what still comes (ipvs/kill/tombstones.ts). */
export const KILLED = 0x20000000
/** Of a killed one: that end was refused with numbers of its own, which it must believe. */
export const CLIENT_TOLD = 0x10000000
export const SERVER_TOLD = 0x08000000
/** Of a killed one: the other end was refused too, with the numbers of its peer. */
export const HINTED = 0x04000000
