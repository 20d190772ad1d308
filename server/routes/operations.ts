/** /v1/operations */
import { Type } from 'typebox'
import type { Control } from '../control.js'
import { Operation, OperationList } from '../schemas/operation.js'
import { OperationPath } from '../schemas/parameters.js'
import { answer, answers, originOf, type App } from './answers.js'
import { operationView } from './confirming.js'

const tags = ['Configuration']
const path = '/v1/operations/:id'
const none = Type.Object({})

export function addOperations(app: App, control: Control): void {
  const { confirmations } = control
  app.get(
    '/v1/operations',
    {
      schema: {
        operationId: 'listOperations',
        summary: 'Lists operations, newest first: all that go on and the last 1,000 that ended',
        tags,
        querystring: none,
        response: answers({ 200: answer('All.', OperationList) }, 400),
      },
    },
    () => ({ items: confirmations.list().map(operationView), nextCursor: null }),
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
    request => operationView(confirmations.get(request.params.id)),
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
    request => operationView(confirmations.confirm(request.params.id)),
  )

  const cancel = {
    tags,
    params: OperationPath,
    querystring: none,
    response: answers({ 200: answer('Taken back.', Operation) }, 400, 404, 409, 500, 503),
  }
  app.post(
    `${path}/cancel`,
    {
      schema: {
        ...{ operationId: 'cancelOperation', summary: 'Takes an unconfirmed change back now' },
        ...cancel,
      },
    },
    async request =>
      operationView(await confirmations.cancel(request.params.id, originOf(request))),
  )
  app.delete(
    path,
    {
      schema: {
        ...{ operationId: 'deleteOperation', summary: 'As cancelling it' },
        ...cancel,
      },
    },
    async request =>
      operationView(await confirmations.cancel(request.params.id, originOf(request))),
  )
}
