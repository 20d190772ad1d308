/** /v1/operations */
import { Type } from 'typebox'
import type { Control } from '../control.js'
import { Operation, OperationList } from '../schemas/operation.js'
import type { Actor } from '../auth/actor.js'
import { permit } from '../auth/permit.js'
import type { Origin } from '../change/commit.js'
import { DRAIN } from '../change/drain-ledger.js'
import { OperationPath, OperationsQuery } from '../schemas/parameters.js'
import { answer, answers, linkNext, listAnswer, originOf, type App } from './answers.js'

const tags = ['Configuration']
const path = '/v1/operations/:id'
const none = Type.Object({})

export function addOperations(app: App, control: Control): void {
  const { operations } = control
  app.get(
    '/v1/operations',
    {
      schema: {
        operationId: 'listOperations',
        summary: 'Lists operations, newest first',
        description: 'All that go on, and of each kind the last 1,000 that ended.',
        tags,
        querystring: OperationsQuery,
        response: answers({ 200: listAnswer('A page of the list.', OperationList) }, 400),
      },
    },
    (request, reply) => {
      const { limit = 100, cursor, ...filter } = request.query
      const page = operations.list(filter, limit, cursor)
      linkNext(request, reply, page.nextCursor)
      return reply.send(page)
    },
  )

  app.get(
    path,
    {
      schema: {
        operationId: 'getOperation',
        summary: 'Reads an operation',
        tags,
        params: OperationPath,
        querystring: none,
        response: answers({ 200: answer('The operation.', Operation) }, 400, 404),
      },
    },
    request => operations.get(request.params.id),
  )

  app.post(
    `${path}/confirm`,
    {
      schema: {
        operationId: 'confirmOperation',
        summary: 'Confirms a change, which then stays',
        tags,
        params: OperationPath,
        querystring: none,
        response: answers({ 200: answer('Confirmed.', Operation) }, 400, 404, 409, 500),
      },
    },
    request => operations.confirm(request.params.id),
  )

  /** Who may drain may end that; taking a change back is writing. */
  const cancelled = (id: string, actor: Actor | null, origin: Origin) => {
    if (operations.kindOf(id) !== DRAIN) permit(actor!, 'write')
    return operations.cancel(id, origin)
  }
  const cancel = {
    description: 'With the scope `operate` drains, with `write` both.',
    tags,
    params: OperationPath,
    querystring: none,
    response: answers(
      { 200: answer('Taken back, or cancelled.', Operation) },
      400,
      404,
      409,
      500,
      503,
    ),
  }
  app.post(
    `${path}/cancel`,
    {
      schema: {
        ...{
          operationId: 'cancelOperation',
          summary: 'Takes an unconfirmed change back now, or ends a drain',
        },
        ...cancel,
      },
    },
    request => cancelled(request.params.id, request.actor, originOf(request)),
  )
  app.delete(
    path,
    {
      schema: {
        ...{ operationId: 'deleteOperation', summary: 'As cancelling it' },
        ...cancel,
      },
    },
    request => cancelled(request.params.id, request.actor, originOf(request)),
  )
}
