/** Writes of the whole: those that may have to be confirmed, and those that may be repeated. */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Answered, Control } from '../control.js'
import { Problem } from '../errors.js'
import type { Plan } from '../change/ground.js'
import type { Resource } from '../documents/views.js'
import type { Done, Storing } from '../change/writer.js'
import { originOf, sendTrial } from './answers.js'

interface ConfirmRequest extends FastifyRequest {
  query: {
    dryRun?: boolean | undefined
    message?: string | undefined
    confirmWithinSeconds?: number | undefined
  }
}

/** A write of the whole configuration, answered with it. */
export async function carryOutWhole(
  control: Control,
  request: ConfirmRequest,
  reply: FastifyReply,
  plan: Plan<Resource<object>>,
) {
  if (request.query.dryRun === true) return sendTrial(request, reply, control, plan)
  const { body, revision, operation } = await carryOut(control, request, plan)
  void reply.headers({ etag: body.etag, 'config-revision': revision })
  return operation === null ? reply.send(body.view) : sendBegun(reply, control, operation)
}

/** A POST, answered with its revision unless `bodyOf` says otherwise; repeated under the same key, it is not done again. */
export async function carryOutOnce(
  control: Control,
  request: ConfirmRequest,
  reply: FastifyReply,
  plan: Plan<null>,
  bodyOf: (revision: number) => unknown = revision => control.history.view(revision),
) {
  if (request.query.dryRun === true) return sendTrial(request, reply, control, plan)
  const key = keyOf(request)
  const print = key === null ? '' : fingerprint(request)
  const known = key === null ? null : knownAnswer(control, key, print)
  const { revision, operation } = known ?? (await once(control, request, plan, key, print))
  void reply.headers({ etag: `"${revision}"`, 'config-revision': revision })
  if (operation !== null) return sendBegun(reply, control, operation)
  return reply.send(bodyOf(revision))
}

function sendBegun(reply: FastifyReply, control: Control, id: string) {
  const location = `/v1/operations/${id}`
  return reply.code(202).header('location', location).send(control.operations.get(id))
}

interface Outcome<T> extends Done<T> {
  operation: string | null
}

async function carryOut<T>(
  control: Control,
  request: ConfirmRequest,
  plan: Plan<T>,
  alsoStoring?: (operation: string | null) => Storing,
): Promise<Outcome<T>> {
  const { confirmations } = control
  const withinS = request.query.confirmWithinSeconds
  const id = withinS === undefined ? null : confirmations.newId()
  const also = alsoStoring?.(id)
  let begun = false
  const done = await control.write(originOf(request), plan, head => {
    if (id !== null) confirmations.begin(id, head, withinS!)
    begun = true
    also?.(head)
  })
  // What changes nothing has nothing to be confirmed.
  if (id === null || !begun) return { ...done, operation: null }
  confirmations.watch(id)
  return { ...done, operation: id }
}

/** Requests under a key that are being carried out. */
const underWay = new WeakMap<Control, Map<string, Promise<Answered>>>()

async function once(
  control: Control,
  request: ConfirmRequest,
  plan: Plan<null>,
  key: string | null,
  print: string,
): Promise<{ revision: number; operation: string | null }> {
  if (key === null) return carryOut(control, request, plan)
  const running = underWay.get(control) ?? new Map<string, Promise<Answered>>()
  underWay.set(control, running)
  const other = running.get(key)
  if (other !== undefined) return sameOr(await other, print)
  const storing = (operation: string | null) => (head: { revision: number; at: string }) =>
    control.idempotency.set(
      key,
      { fingerprint: print, revision: head.revision, operation },
      head.at,
    )
  const mine = carryOut(control, request, plan, storing).then(
    ({ revision, operation }): Answered => ({ fingerprint: print, revision, operation }),
  )
  running.set(key, mine)
  try {
    return await mine
  } finally {
    running.delete(key)
  }
}

const knownAnswer = (control: Control, key: string, print: string): Answered | null => {
  const known = control.idempotency.get(key, control.now())
  return known === null ? null : sameOr(known, print)
}

function sameOr(known: Answered, print: string): Answered {
  if (known.fingerprint === print) return known
  const detail = 'This Idempotency-Key belongs to another method, address or body.'
  throw new Problem('IDEMPOTENCY_KEY_REUSED', detail)
}

const KEY_MAX = 255

function keyOf({ headers }: FastifyRequest): string | null {
  const key = headers['idempotency-key']
  if (typeof key !== 'string' || key === '') return null
  if (key.length <= KEY_MAX) return key
  throw new Problem('INVALID_REQUEST', `An Idempotency-Key has at most ${KEY_MAX} characters.`)
}

function fingerprint({ method, url, body }: FastifyRequest): string {
  return createHash('sha256')
    .update(JSON.stringify([method, url, body]))
    .digest('base64url')
}
