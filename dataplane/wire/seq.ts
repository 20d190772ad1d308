// Serial number arithmetic on 32 bits, RFC 1982; sequence numbers of RFC 9293 section 3.4 and
// SCTP TSNs. Arguments may be signed or unsigned words. Half the space away is undefined in
// RFC 1982; here it counts as "before", as in the kernel's before().

/** How far `b` is ahead of `a`, as a signed word. */
export const distance = (a: number, b: number): number => (b - a) | 0
export const isBefore = (a: number, b: number): boolean => ((a - b) | 0) < 0
export const isAfter = (a: number, b: number): boolean => ((b - a) | 0) < 0
/** `a` moved on by `count`, as a signed word. */
export const add = (a: number, count: number): number => (a + count) | 0
