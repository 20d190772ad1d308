import type { Request } from '../../dataplane/protocol.js'

/** Operations in one message, which the dataplane reads in some 0.3 ms. */
const PART_OPS = 128

/** A long batch in several messages, so that reading it keeps no packet waiting. */
export function* parts(request: Request): Generator<Request, void> {
  const { id } = request
  if (request.op !== 'batch') {
    yield request
    return
  }
  const { ops } = request
  let at = 0
  for (; ops.length - at > PART_OPS; at += PART_OPS)
    yield { id, op: 'stage', ops: ops.slice(at, at + PART_OPS) }
  yield { id, op: 'batch', ops: at === 0 ? ops : ops.slice(at) }
}
