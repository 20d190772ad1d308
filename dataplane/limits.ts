/** Every bound of the dataplane, with its reason. Changing one needs no other change. */

/** IPVS connections. 128 octets each, touched only when used, so a high default costs nothing. */
export const CONNS_DEFAULT = 1 << 22
export const CONNS_MAX = 1 << 27
/** Templates that a persistence engine knows by data (SIP calls). 272 octets each when used. */
export const ENGINE_DATA_MAX = 1 << 20
/** Dataplane threads: each maps its own rings, and each pair has two queues of 2 MiB. */
export const WORKERS_MAX = 16
/**
 * How long the loop polls for the next packet before it sleeps: several times what waking costs. Ten
 * milliseconds of it would already be a core that never rests.
 */
export const BUSY_POLL_US = 100
export const BUSY_POLL_MAX_US = 10_000
/** Rows of statistics: virtual services and real servers (a design point is 1,000 x 100). */
export const SERVICES_MAX = 1 << 16
export const DESTS_MAX = 1 << 18
/** Most frames taken from the driver in one turn: latency of a control message against batching. */
export const BURST_MAX = 256
/** Timers run in one turn, 0.1 ms; the rest wait for the next, so that packets need not. */
export const EXPIRIES_PER_TURN = 512
/**
 * Marks of packets that this host itself sends, set by the packet guard where they concern a real
 * server on the balancer (driver/host-tap.ts): one is turned aside for us to translate and send, the
 * other goes on and is only looked at. High bits, so that other marks live beside them.
 */
export const DIVERTED_MARK = 0x40000000
export const SEEN_MARK = 0x08000000
/** On what the dataplane sends through the host's stack, to tell it from what programs send. */
export const SENT_MARK = 0x10000000
/** Largest IP packet: the IPv4 Total Length field. */
export const DATAGRAM_MAX = 65535
