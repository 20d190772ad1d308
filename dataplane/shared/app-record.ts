/**
 * What an application helper keeps of a connection, beside the connection's record because few
 * have a helper: the row of connection c starts at word `c * WORDS`. It lies in shared memory, so
 * that sequence numbers go on shifted when a worker is replaced; without it, the two ends of every
 * control connection that was ever rewritten would lose step. Memory of rows that no connection
 * with a helper has used is never touched.
 *
 *     word  0     1         2         3           4   5      6     7   8      9     10 - 15
 *           mode  reply at  reply by  reply mode  at  before after at  before after spare
 *                                                 `- sender: client  `- real server
 */
export const WORDS = 16

/** The helper's own state; for FTP what the client asked for last. */
export const MODE = 0
/** Sequence number of the segment whose reply was rewritten last, as its sender counts. */
export const REPLY_AT = 1
/** By how many octets it grew. */
export const REPLY_CHANGE = 2
/** Which kind of reply it was; 0 when there was none. */
export const REPLY_MODE = 3
/** Corrections of sequence numbers (ipvs/app/sequence-adjust.ts), three words for each sender. */
export const CORRECTIONS = 4
