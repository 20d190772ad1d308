/** /v1/maintenances */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Control } from '../control.js'
import type { MaintenanceAnswer, MaintenanceRequested } from '../control/maintenance-control.js'
import { PLAN } from '../http/media-types.js'
import { linked } from '../schemas/components.js'
import { Maintenance, MaintenanceList, MaintenanceRequest } from '../schemas/maintenance.js'
import {
  DrainQuery,
  MaintenanceDeleteQuery,
  MaintenancePath,
  MaintenanceQuery,
} from '../schemas/parameters.js'
import {
  answers,
  bodyOf,
  conditionsOf,
  deleted,
  document,
  empty,
  listAnswer,
  sendPage,
  sendRead,
  written,
  WRITE_PROBLEMS,
  type App,
} from './answers.js'

const tags = ['Maintenances']
const path = '/v1/maintenances/:name'

export function addMaintenances(app: App, control: Control): void {
  const { maintenances } = control
  app.get(
    '/v1/maintenances',
    {
      schema: {
        operationId: 'listMaintenances',
        summary: 'Lists maintenances, also those that have ended or were refused',
        tags,
        querystring: MaintenanceQuery,
        response: answers({ 200: listAnswer('One page, without members.', MaintenanceList) }, 400),
      },
    },
    (request, reply) => {
      const { limit = 100, cursor, sort, phase } = request.query
      return sendPage(request, reply, maintenances.list(phase, { limit, cursor, sort, labels: [] }))
    },
  )

  app.get(
    path,
    {
      schema: {
        operationId: 'getMaintenance',
        summary: 'Reads a maintenance, and how far each of its real servers has come',
        ...{ tags, params: MaintenancePath, querystring: Type.Object({}) },
        response: answers(
          { 200: document('The maintenance.', Maintenance), 304: empty('Asked for as before.') },
          ...[400, 404],
        ),
      },
    },
    (request, reply) => sendRead(request, reply, control, maintenances.get(request.params.name)),
  )
  addWrites(app, control)
}

function addWrites(app: App, control: Control): void {
  const { maintenances } = control
  app.put(
    path,
    {
      schema: {
        operationId: 'putMaintenance',
        summary: 'Drains what is selected, in every virtual service, now or by schedule',
        description:
          'From the answer on, or from `startAt` on, the real servers that it selects get no new ' +
          'connections; those that they have go on until the deadline. It is refused as a whole ' +
          'when a virtual service would fall below its `policy.minimumUsable`: now, or when its ' +
          'start has come (phase `refused`). It ends at `endAt` or when it is deleted; drains that ' +
          'an operator began are left as they are. It makes no revision and outlives a restart; ' +
          'what should have begun or ended meanwhile does so then. Asked for again as it is, ' +
          'nothing changes, unless it was refused: then it tries again.',
        ...{ tags, params: MaintenancePath, querystring: DrainQuery },
        body: linked(MaintenanceRequest),
        response: answers(
          {
            200: written('Replaced, or unchanged.', Maintenance),
            201: document('New.', Maintenance),
          },
          ...[...WRITE_PROBLEMS, 403],
        ),
      },
    },
    async (request, reply) => {
      const { name } = request.params
      const body = bodyOf(request)
      const answer = await maintenances.put(name, body, requestedOf(request))
      return send(reply, control, answer, `/v1/maintenances/${name}`)
    },
  )

  app.delete(
    path,
    {
      schema: {
        operationId: 'deleteMaintenance',
        summary: 'Ends a maintenance',
        description:
          'The drains that it began are cancelled, and only those: the real servers get new ' +
          'connections again, by their weight and state, unless another maintenance selects them.',
        ...{ tags, params: MaintenancePath, querystring: MaintenanceDeleteQuery },
        response: answers(deleted(), ...[400, 404, 412, 500, 503]),
      },
    },
    async (request, reply) => {
      const { name } = request.params
      const { missingOk = false } = request.query
      const answer = await maintenances.delete(name, missingOk, requestedOf(request))
      return send(reply, control, answer, request.url)
    },
  )
}

const requestedOf = (
  request: FastifyRequest & { query: { dryRun?: boolean | undefined } },
): MaintenanceRequested => ({
  conditions: conditionsOf(request),
  dryRun: request.query.dryRun === true,
  by: { actor: request.actor!, requestId: request.id },
})

function send(reply: FastifyReply, control: Control, answer: MaintenanceAnswer, location: string) {
  void reply.header('config-revision', control.revision())
  if (answer.plan !== undefined) return reply.type(PLAN).send(answer.plan)
  const { status, resource } = answer
  void reply.code(status)
  if (status === 201) void reply.header('location', location)
  return resource === null ? reply.send() : reply.header('etag', resource.etag).send(resource.view)
}
