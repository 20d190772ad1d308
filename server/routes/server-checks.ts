/** /v1/virtual-services/{name}/real-servers/{server}/checks */
import { Type } from 'typebox'
import type { Control } from '../control.js'
import { problemOf } from '../errors.js'
import { linked } from '../schemas/components.js'
import { CheckPath, ServerPath } from '../schemas/parameters.js'
import { RunList, RunRequest, ServerCheckList, StateReport } from '../schemas/server-checks.js'
import { faultsOf } from '../schemas/walk.js'
import { answer, answers, bodyOf, empty, type App } from './answers.js'

const tags = ['Health checks']
const path = '/v1/virtual-services/:name/real-servers/:server/checks'

export function addServerChecks(app: App, control: Control): void {
  addReads(app, control)
  addRuns(app, control)
  addReports(app, control)
}

function addReads(app: App, control: Control): void {
  app.get(
    path,
    {
      schema: {
        operationId: 'listRealServerChecks',
        summary: 'Reads what the health checks of a real server found',
        description: 'With the transcripts of the last run and of the last five that failed.',
        tags,
        params: ServerPath,
        querystring: Type.Object({}),
        response: answers({ 200: answer('The checks.', ServerCheckList) }, 400, 404, 503),
      },
    },
    async (request, reply) => {
      const { name, server } = request.params
      return reply.send(await control.checks.view(name, server))
    },
  )
}

function addRuns(app: App, control: Control): void {
  app.post(
    `${path}/runs`,
    {
      schema: {
        operationId: 'createRealServerCheckRun',
        summary: 'Runs the health checks of a real server now',
        description:
          'Beside their schedule: what they find counts for nothing. Answers when the last one has ' +
          'ended, after its timeout at the latest.',
        tags,
        params: ServerPath,
        querystring: Type.Object({}),
        body: linked(RunRequest),
        response: answers(
          { 200: answer('What they found, with transcripts.', RunList) },
          ...[400, 404, 409, 413, 415, 422, 503],
        ),
      },
    },
    async (request, reply) => {
      const { name, server } = request.params
      const body: unknown = request.body ?? {}
      const faults = faultsOf(RunRequest, body)
      if (faults.length > 0) throw problemOf(faults)
      const { check } = body as { check?: string }
      const items = await control.checks.runNow(name, server, check)
      return reply.send({ items })
    },
  )
}

function addReports(app: App, control: Control): void {
  app.put(
    `${path}/:check/state`,
    {
      schema: {
        operationId: 'putRealServerCheckState',
        summary: 'Says what is known of a real server from outside',
        description:
          'For checks of the kind external. It counts at once and until it expires; it makes no ' +
          'revision and does not survive a restart but as the last known state.',
        tags,
        params: CheckPath,
        querystring: Type.Object({}),
        body: linked(StateReport),
        response: answers({ 204: empty('Taken.') }, ...[400, 404, 409, 413, 415, 422, 503]),
      },
    },
    (request, reply) => {
      const { name, server, check } = request.params
      const body = bodyOf(request)
      const faults = faultsOf(StateReport, body)
      if (faults.length > 0) throw problemOf(faults)
      const {
        state,
        detail = '',
        expiresInSeconds,
      } = body as {
        state: 'up' | 'down'
        detail?: string
        expiresInSeconds?: number
      }
      control.checks.report(name, server, check, {
        ...{ state, detail },
        ...(expiresInSeconds === undefined ? {} : { expiryMs: expiresInSeconds * 1000 }),
      })
      return reply.code(204).header('config-revision', control.revision()).send()
    },
  )
}
