/**
 * RFC 9260 section 8.4: what an SCTP packet that belongs to no association is answered with. As in
 * Linux (sctp_rcv_ootb, sctp_sf_ootb), every chunk of it has a say, not only the first.
 */
import * as sctp from '../wire/sctp.js'

/** Error cause of a COOKIE ECHO that came too late (section 3.3.10.3). */
const STALE_COOKIE = 3
const NOTHING = -1

/** Type of the one chunk that answers the packet in `[l4, end)`: ABORT, SHUTDOWN COMPLETE, or -1. */
export function answerTo(v: DataView, l4: number, end: number): number {
  const first = l4 + sctp.MIN_LENGTH
  if (end - first < sctp.CHUNK_LENGTH || isFinal(sctp.chunkType(v, first))) return NOTHING
  let answer: number = sctp.ABORT
  let acknowledgesCookie = false
  let chunk = sctp.firstChunk(v, l4, end)
  for (; chunk > 0; chunk = sctp.nextChunk(v, chunk, end)) {
    const type = sctp.chunkType(v, chunk)
    // An INIT stands alone (section 4.3).
    if (isFinal(type) || (type === sctp.INIT && chunk !== first)) return NOTHING
    if (type === sctp.SHUTDOWN_ACK) answer = sctp.SHUTDOWN_COMPLETE
    if (type === sctp.COOKIE_ACK || isStaleCookie(v, chunk)) acknowledgesCookie = true
  }
  const opens = sctp.chunkType(v, first) === sctp.INIT || isEcho(v, first)
  if (opens) return sctp.ABORT
  return acknowledgesCookie && answer === sctp.ABORT ? NOTHING : answer
}

const isFinal = (type: number): boolean => type === sctp.ABORT || type === sctp.SHUTDOWN_COMPLETE

const isEcho = (v: DataView, chunk: number): boolean =>
  sctp.chunkType(v, chunk) === sctp.COOKIE_ECHO

/** Whether an ERROR chunk names that cause first. */
const isStaleCookie = (v: DataView, chunk: number): boolean =>
  sctp.chunkType(v, chunk) === sctp.ERROR &&
  sctp.chunkLength(v, chunk) >= sctp.CHUNK_LENGTH + 4 &&
  v.getUint16(chunk + sctp.CHUNK_LENGTH) === STALE_COOKIE
