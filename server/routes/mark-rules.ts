/** /v1/mark-rules */
import { Type } from 'typebox'
import { isUnchanged } from '../conditions.js'
import type { Control } from '../control.js'
import { linked } from '../schemas/components.js'
import { MarkRule, MarkRuleConfig, MarkRuleList } from '../schemas/mark-rule.js'
import { DeleteQuery, MarkRulePath, MarkRuleQuery } from '../schemas/parameters.js'
import { answers, bodyOf, conditionsOf, document, empty, labelsOf } from './answers.js'
import { intentOf, linkNext, listAnswer, sendWritten, WRITE_PROBLEMS, type App } from './answers.js'
import { MergePatch } from './merge-patch-schema.js'

const tags = ['Mark rules']
const path = '/v1/mark-rules/:name'

export function addMarkRules(app: App, control: Control): void {
  addReads(app, control)
  addWrites(app, control)
}

function addReads(app: App, control: Control): void {
  app.get(
    '/v1/mark-rules',
    {
      schema: {
        operationId: 'listMarkRules',
        summary: 'Lists mark rules in the order in which they are asked',
        tags,
        querystring: MarkRuleQuery,
        response: answers({ 200: listAnswer('One page.', MarkRuleList) }, 400),
      },
    },
    (request, reply) => {
      const { limit = 100, cursor, labels, ...filter } = request.query
      const page = control.markRules.list(filter, { limit, cursor, labels: labelsOf(labels) })
      linkNext(request, reply, page.nextCursor)
      return reply.send(page)
    },
  )

  app.get(
    path,
    {
      schema: {
        operationId: 'getMarkRule',
        summary: 'Reads a mark rule',
        tags,
        params: MarkRulePath,
        querystring: Type.Object({}),
        response: answers(
          { 200: document('The mark rule.', MarkRule), 304: empty('Unchanged.') },
          ...[400, 404],
        ),
      },
    },
    (request, reply) => {
      const written = control.markRules.get(request.params.name)
      if (isUnchanged(conditionsOf(request).ifNoneMatch, written.view))
        return reply.code(304).header('etag', written.etag).send()
      return sendWritten(reply, written, request.url)
    },
  )
}

function addWrites(app: App, control: Control): void {
  app.put(
    path,
    {
      schema: {
        operationId: 'putMarkRule',
        summary: 'Creates or replaces a mark rule',
        description: 'Answers once packets are marked by it. Connections keep the mark they have.',
        tags,
        params: MarkRulePath,
        querystring: Type.Object({}),
        body: linked(MarkRuleConfig),
        response: answers(
          {
            200: document('Replaced, or unchanged.', MarkRule),
            201: document('Created.', MarkRule),
          },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    async (request, reply) => {
      const { name } = request.params
      const written = await control.markRules.put(name, bodyOf(request), intentOf(request))
      return sendWritten(reply, written, `/v1/mark-rules/${name}`)
    },
  )

  app.patch(
    path,
    {
      schema: {
        operationId: 'patchMarkRule',
        summary: 'Changes fields of a mark rule (RFC 7396 merge patch)',
        tags,
        params: MarkRulePath,
        querystring: Type.Object({}),
        consumes: ['application/merge-patch+json', 'application/json'],
        body: MergePatch({ destinationPorts: ['80', '443'] }),
        response: answers(
          { 200: document('The mark rule as it is now.', MarkRule) },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    async (request, reply) => {
      const { name } = request.params
      const written = await control.markRules.patch(name, bodyOf(request), intentOf(request))
      return sendWritten(reply, written, request.url)
    },
  )

  app.delete(
    path,
    {
      schema: {
        operationId: 'deleteMarkRule',
        summary: 'Deletes a mark rule',
        tags,
        params: MarkRulePath,
        querystring: DeleteQuery,
        response: answers({ 204: empty('Deleted.') }, ...[400, 404, 412, 500, 503]),
      },
    },
    async (request, reply) => {
      const { missingOk = false } = request.query
      const intent = intentOf(request)
      const revision = await control.markRules.delete(request.params.name, intent, missingOk)
      return reply.code(204).header('config-revision', revision).send()
    },
  )
}
