/** /v1/config, /v1/changesets, /v1/plans and what the configuration was */
import type { Control } from '../control.js'
import { linked } from '../schemas/components.js'
import { ChangeList, Configuration, DifferenceList, PlanRequest } from '../schemas/configuration.js'
import { Revision, RevisionList, RollbackRequest } from '../schemas/configuration.js'
import { Operation } from '../schemas/operation.js'
import { ConfirmQuery, DifferenceQuery, ReadQuery } from '../schemas/parameters.js'
import { RevisionPath, RevisionsQuery } from '../schemas/parameters.js'
import { PlanDocument } from '../schemas/plan.js'
import { Type } from 'typebox'
import {
  answer,
  answers,
  bodyOf,
  conditionsOf,
  document,
  empty,
  sendPage,
  sendTagged,
  written,
  WRITE_PROBLEMS,
  type App,
} from './answers.js'
import { carryOutOnce, carryOutWhole } from './confirming.js'
import { MergePatch } from './merge-patch-schema.js'

const tags = ['Configuration']
const path = '/v1/config'
/** Whole configurations are larger than single documents. */
export const CONFIG_BODY_LIMIT_OCTETS = 64 * 1024 * 1024
const bodyLimit = CONFIG_BODY_LIMIT_OCTETS

/** JSON is YAML, so one example does for both. */
const bodies = (schema: object, ...types: string[]) => ({
  content: Object.fromEntries(
    ['application/json', 'application/yaml', ...types].map(type => [type, { schema }]),
  ),
})
const whole = (description: string) => {
  const given = written(description, Configuration)
  const schema = linked(Configuration)
  return { ...given, content: { ...given.content, 'application/yaml': { schema } } }
}
const begun = {
  ...document('With `confirmWithinSeconds`: in force, to be confirmed.', Operation),
}

export function addConfig(app: App, control: Control): void {
  addReads(app, control)
  addWrites(app, control)
  addRevisions(app, control)
  addLists(app, control)
}

function addReads(app: App, control: Control): void {
  app.get(
    path,
    {
      schema: {
        operationId: 'getConfig',
        summary: 'Reads the whole configuration, as JSON or YAML',
        description: 'The ETag is the revision. What it answers can be sent back as it is.',
        tags,
        querystring: ReadQuery,
        response: answers({ 200: whole('The configuration.'), 304: empty('Unchanged.') }, ...[400]),
      },
    },
    (request, reply) => {
      const { view = 'full' } = request.query
      void reply.header('config-revision', control.revision())
      return sendTagged(request, reply, control.config.etag(), () =>
        reply.send(control.config.get(view).view),
      )
    },
  )
}

function addWrites(app: App, control: Control): void {
  app.put(
    path,
    {
      bodyLimit,
      schema: {
        operationId: 'putConfig',
        summary: 'Makes the configuration exactly this',
        description:
          'All or nothing, between two packets. What stays keeps its connections. What is left ' +
          'out is deleted or gets its default.',
        tags,
        querystring: ConfirmQuery,
        body: bodies(linked(Configuration)),
        response: answers(
          { 200: whole('The configuration as it is now.'), 202: begun },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    (request, reply) => {
      const plan = control.config.put(bodyOf(request), conditionsOf(request))
      return carryOutWhole(control, request, reply, plan)
    },
  )

  app.patch(
    path,
    {
      bodyLimit,
      schema: {
        operationId: 'patchConfig',
        summary: 'Changes parts of the configuration (RFC 7396 merge patch)',
        tags,
        querystring: ConfirmQuery,
        body: bodies(
          MergePatch({ virtualServices: { web: { realServers: { a: { weight: 5 } } } } }),
          'application/merge-patch+json',
        ),
        response: answers(
          { 200: whole('The configuration as it is now.'), 202: begun },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    (request, reply) => {
      const plan = control.config.patch(bodyOf(request), conditionsOf(request))
      return carryOutWhole(control, request, reply, plan)
    },
  )
}

function addRevisions(app: App, control: Control): void {
  app.get(
    `${path}/revisions`,
    {
      schema: {
        operationId: 'listRevisions',
        summary: 'Lists what the configuration was, newest first',
        description:
          'The newest 10,000 revisions are kept, or fewer when their documents need more than ' +
          '256 MiB.',
        tags,
        querystring: RevisionsQuery,
        response: answers({ 200: answer('One page.', RevisionList) }, 400),
      },
    },
    (request, reply) => {
      const { limit = 100, cursor } = request.query
      return sendPage(request, reply, control.history.list(limit, cursor))
    },
  )

  app.get(
    `${path}/revisions/:revision`,
    {
      schema: {
        operationId: 'getRevision',
        summary: 'Reads the whole configuration as it was',
        tags,
        params: RevisionPath,
        querystring: ReadQuery,
        response: answers(
          { 200: whole('The configuration of that time.'), 304: empty('It never changes.') },
          ...[400, 404, 410],
        ),
      },
    },
    (request, reply) => {
      const { view = 'full' } = request.query
      const revision = Number(request.params.revision)
      const document = control.history.documentAt(revision, view)
      void reply.header('config-revision', control.revision())
      return sendTagged(request, reply, `"${revision}"`, () => reply.send(document))
    },
  )

  app.get(
    `${path}/revisions/:revision/diff`,
    {
      schema: {
        operationId: 'getRevisionDiff',
        summary: 'Says what a revision changed, or how two differ',
        tags,
        params: RevisionPath,
        querystring: DifferenceQuery,
        response: answers({ 200: answer('The differences.', DifferenceList) }, 400, 404, 410),
      },
    },
    (request, reply) => {
      const revision = Number(request.params.revision)
      const { against } = request.query
      const changes = control.history.difference(revision, against)
      return reply.send({ revision, against: against ?? null, changes })
    },
  )

  app.post(
    `${path}/rollbacks`,
    {
      schema: {
        operationId: 'rollbackConfig',
        summary: 'Makes the configuration what it was at a revision',
        description: 'A new revision. `Idempotency-Key` makes repeating it safe.',
        tags,
        querystring: ConfirmQuery,
        body: bodies(linked(RollbackRequest)),
        response: answers(
          { 200: written('The revision that holds it.', Revision), 202: begun },
          ...[...WRITE_PROBLEMS, 410],
        ),
      },
    },
    (request, reply) => {
      const plan = control.config.rollback(bodyOf(request), conditionsOf(request))
      return carryOutOnce(control, request, reply, plan)
    },
  )
}

function addLists(app: App, control: Control): void {
  app.post(
    '/v1/changesets',
    {
      bodyLimit,
      schema: {
        operationId: 'applyChangeset',
        summary: 'Makes many changes as one revision, all or none',
        description:
          'Each change is made on what those before it leave. Faults point into the list. ' +
          '`If-Match` is about the whole configuration, `ifMatch` of a change about its resource. ' +
          '`Idempotency-Key` makes repeating it safe.',
        tags,
        querystring: ConfirmQuery,
        body: bodies(linked(ChangeList)),
        response: answers(
          { 200: written('The revision that holds them.', Revision), 202: begun },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    (request, reply) => {
      const plan = control.config.changes(bodyOf(request), conditionsOf(request))
      return carryOutOnce(control, request, reply, plan)
    },
  )

  app.post(
    '/v1/plans',
    {
      bodyLimit,
      schema: {
        operationId: 'planChange',
        summary: 'Says what a configuration or a list of changes would do',
        description: 'Nothing is stored and nothing changes.',
        tags,
        querystring: Type.Object({}),
        body: bodies(linked(PlanRequest)),
        response: answers(
          { 200: answer('What it would do.', PlanDocument) },
          ...[400, 404, 409, 413, 415, 422, 500],
        ),
      },
    },
    async (request, reply) => {
      const plan = control.config.planned(bodyOf(request))
      return reply.send(await control.attempt(plan, undefined, request.actor))
    },
  )
}
