/** /v1/health-checks */
import type { Control } from '../control.js'
import { linked } from '../schemas/components.js'
import {
  DeclaredHealthCheckList,
  HealthCheck,
  HealthCheckConfig,
  HealthCheckList,
} from '../schemas/health-check.js'
import {
  DeleteQuery,
  HealthCheckPath,
  HealthCheckQuery,
  ReadQuery,
  WriteQuery,
} from '../schemas/parameters.js'
import {
  answers,
  bodyOf,
  carryOut,
  conditionsOf,
  deleted,
  document,
  empty,
  labelsOf,
  sendPage,
  sendRead,
  shown,
  shownList,
  written,
  WRITE_PROBLEMS,
  type App,
} from './answers.js'
import { MergePatch } from './merge-patch-schema.js'

const tags = ['Health checks']
const path = '/v1/health-checks/:name'

export function addHealthChecks(app: App, control: Control): void {
  addReads(app, control)
  addWrites(app, control)
}

function addReads(app: App, control: Control): void {
  app.get(
    '/v1/health-checks',
    {
      schema: {
        operationId: 'listHealthChecks',
        summary: 'Lists health checks by name',
        tags,
        querystring: HealthCheckQuery,
        response: answers(
          { 200: shownList('One page.', HealthCheckList, DeclaredHealthCheckList) },
          400,
        ),
      },
    },
    (request, reply) => {
      const { limit = 100, cursor, sort, labels, view = 'full', ...filter } = request.query
      const paging = { limit, cursor, sort, labels: labelsOf(labels) }
      const { healthChecks } = control
      const page =
        view === 'full'
          ? healthChecks.list(filter, paging)
          : healthChecks.declaredList(filter, paging)
      return sendPage(request, reply, page, view)
    },
  )

  app.get(
    path,
    {
      schema: {
        operationId: 'getHealthCheck',
        summary: 'Reads a health check',
        tags,
        params: HealthCheckPath,
        querystring: ReadQuery,
        response: answers(
          {
            200: shown('The health check.', HealthCheck, HealthCheckConfig),
            304: empty('Unchanged.'),
          },
          ...[400, 404],
        ),
      },
    },
    (request, reply) => {
      const { name } = request.params
      const { view = 'full' } = request.query
      const { healthChecks } = control
      const found = view === 'full' ? healthChecks.get(name) : healthChecks.declared(name)
      return sendRead(request, reply, control, found, view)
    },
  )
}

function addWrites(app: App, control: Control): void {
  app.put(
    path,
    {
      schema: {
        operationId: 'putHealthCheck',
        summary: 'Creates or replaces a health check',
        description:
          'From the answer on its users run it as it is now; one that has another target or kind ' +
          'begins anew. Repeating the request changes nothing.',
        tags,
        params: HealthCheckPath,
        querystring: WriteQuery,
        body: linked(HealthCheckConfig),
        response: answers(
          {
            200: written('Replaced, or unchanged.', HealthCheck),
            201: document('Created.', HealthCheck),
          },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    async (request, reply) => {
      const { name } = request.params
      const plan = control.healthChecks.put(name, bodyOf(request), conditionsOf(request))
      return carryOut(control, request, reply, plan, `/v1/health-checks/${name}`)
    },
  )

  app.patch(
    path,
    {
      schema: {
        operationId: 'patchHealthCheck',
        summary: 'Changes fields of a health check (RFC 7396 merge patch)',
        tags,
        params: HealthCheckPath,
        querystring: WriteQuery,
        consumes: ['application/merge-patch+json', 'application/json'],
        body: MergePatch({ intervalMilliseconds: 1000, fall: 2 }),
        response: answers(
          { 200: written('The health check as it is now.', HealthCheck) },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    async (request, reply) => {
      const { name } = request.params
      const plan = control.healthChecks.patch(name, bodyOf(request), conditionsOf(request))
      return carryOut(control, request, reply, plan, request.url)
    },
  )

  app.delete(
    path,
    {
      schema: {
        operationId: 'deleteHealthCheck',
        summary: 'Deletes a health check that nobody uses',
        tags,
        params: HealthCheckPath,
        querystring: DeleteQuery,
        response: answers(deleted(), ...[400, 404, 409, 412, 500, 503]),
      },
    },
    async (request, reply) => {
      const { missingOk = false } = request.query
      const { name } = request.params
      const plan = control.healthChecks.delete(name, conditionsOf(request), missingOk)
      return carryOut(control, request, reply, plan, request.url)
    },
  )
}
