/** /v1/version, /healthz, /readyz, /problems/{code} */
import { Type } from 'typebox'
import type { Control } from '../control.js'
import { Problem, problems } from '../errors.js'
import { faults } from '../faults.js'
import { Health, ProblemDescription, Version } from '../schemas/live.js'
import { version } from '../version.js'
import { answer, answers, type App } from './answers.js'

const tags = ['System']

export function addSystem(app: App, control: Control): void {
  app.get(
    '/v1/version',
    {
      schema: {
        operationId: 'getVersion',
        summary: 'Says which Sluice this is',
        tags,
        querystring: Type.Object({}),
        response: answers({ 200: answer('The version.', Version) }, 400),
      },
    },
    () => ({ name: 'sluice', version, apiVersion: 'v1', nodeVersion: process.version }),
  )

  app.get(
    '/healthz',
    {
      schema: {
        operationId: 'getHealth',
        summary: 'Answers as long as the process does',
        tags,
        querystring: Type.Object({}),
        response: answers({ 200: answer('Alive.', Health) }, 400, 500),
      },
    },
    () => ({ status: 'ok' }),
  )

  app.get(
    '/readyz',
    {
      schema: {
        operationId: 'getReadiness',
        summary: 'Says whether traffic is being carried',
        tags,
        querystring: Type.Object({}),
        response: answers({ 200: answer('Ready.', Health) }, 400, 503),
      },
    },
    () => {
      const reason = control.notReady()
      if (reason !== null) throw new Problem('DATAPLANE_UNAVAILABLE', reason)
      return { status: 'ready' }
    },
  )

  app.get(
    '/problems/:code',
    {
      schema: {
        operationId: 'getProblem',
        summary: 'Explains an error code',
        tags,
        params: Type.Object({
          code: Type.String({
            description: 'As in `code` or `type`.',
            examples: ['VALIDATION_FAILED'],
          }),
        }),
        response: answers({ 200: answer('The code.', ProblemDescription) }, 404),
      },
    },
    request => describe(request.params.code),
  )
}

function describe(code: string) {
  const problem = entry(problems, code)
  if (problem !== undefined) return { code, ...problem }
  const about = entry(faults, code)
  if (about !== undefined) return { code, title: 'A fault in a document or a parameter', about }
  throw new Problem('NOT_FOUND', 'There is no such error code.')
}

const entry = <T>(table: Readonly<Record<string, T>>, code: string): T | undefined =>
  Object.hasOwn(table, code) ? table[code] : undefined
