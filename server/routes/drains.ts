/** /v1/virtual-services/{name}/real-servers/{server}/drain */
import { Type } from 'typebox'
import type { Control } from '../control.js'
import { linked } from '../schemas/components.js'
import { Drain, DrainRequest } from '../schemas/drain.js'
import { DeleteQuery, DrainQuery, ServerPath } from '../schemas/parameters.js'
import {
  answer,
  answers,
  bodyOf,
  empty,
  conditionsOf,
  originOf,
  sendRead,
  WRITE_PROBLEMS,
  type App,
} from './answers.js'

const tags = ['Drains']
const path = '/v1/virtual-services/:name/real-servers/:server/drain'
const ETAG = { ETag: { type: 'string', description: 'Over what was asked for.' } }
const LOCATION = {
  Location: {
    type: 'string',
    description: 'The operation: read its progress, or cancel it, here.',
  },
}

export function addDrains(app: App, control: Control): void {
  app.get(
    path,
    {
      schema: {
        operationId: 'getDrain',
        summary: 'Reads how far a drain has come',
        tags,
        params: ServerPath,
        querystring: Type.Object({}),
        response: answers(
          { 200: answer('The drain.', Drain, ETAG), 304: empty('Asked for as before.') },
          ...[400, 404],
        ),
      },
    },
    (request, reply) => {
      const { view, etag } = control.drains.get(request.params.name, request.params.server)
      return sendRead(request, reply, control, { view, etag })
    },
  )

  app.put(
    path,
    {
      schema: {
        operationId: 'putDrain',
        summary: 'Drains a real server',
        description:
          'From the answer on it gets no new connections; those that it has go on until the ' +
          'deadline, clients with a persistence template come back to it (unless ' +
          '`expireQuiescentTemplate` is set). Asked for again as it is, nothing changes; any other ' +
          'request moves the deadline, counted from now. It makes no revision. It is an operation, and over ' +
          'when no open connection is left and no client is bound to it, or at its deadline.',
        tags,
        params: ServerPath,
        querystring: DrainQuery,
        body: linked(DrainRequest),
        response: answers(
          {
            200: answer('Nothing is left to wait for, or a trial run.', Drain, ETAG),
            202: answer('It is under way.', Drain, { ...ETAG, ...LOCATION }),
          },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    async (request, reply) => {
      const { name, server } = request.params
      const { dryRun = false } = request.query
      const body = bodyOf(request)
      const how = { conditions: conditionsOf(request), dryRun, by: originOf(request) }
      const drain = await control.drains.put(name, server, body, how)
      const { view, etag, settled, operation } = drain
      void reply.header('etag', etag)
      if (dryRun || settled) return reply.code(200).send(view)
      return reply.code(202).header('location', `/v1/operations/${operation}`).send(view)
    },
  )

  app.delete(
    path,
    {
      schema: {
        operationId: 'deleteDrain',
        summary: 'Cancels a drain, or ends one that is over',
        description: 'The real server gets new connections again, by its weight and state.',
        tags,
        params: ServerPath,
        querystring: DeleteQuery,
        response: answers({ 204: empty('Cancelled.') }, ...[400, 404, 412, 500, 503]),
      },
    },
    async (request, reply) => {
      const { name, server } = request.params
      const { missingOk = false } = request.query
      const how = { conditions: conditionsOf(request), missingOk, by: originOf(request) }
      await control.drains.cancel(name, server, how)
      return reply.code(204).header('config-revision', control.revision()).send()
    },
  )
}
