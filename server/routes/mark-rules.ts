/** /v1/mark-rules */
import type { Control } from '../control.js'
import { linked } from '../schemas/components.js'
import {
  DeclaredMarkRuleList,
  MarkRule,
  MarkRuleConfig,
  MarkRuleList,
} from '../schemas/mark-rule.js'
import {
  DeleteQuery,
  MarkRulePath,
  MarkRuleQuery,
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
        response: answers({ 200: shownList('One page.', MarkRuleList, DeclaredMarkRuleList) }, 400),
      },
    },
    (request, reply) => {
      const { limit = 100, cursor, sort, labels, view = 'full', ...filter } = request.query
      const paging = { limit, cursor, sort, labels: labelsOf(labels) }
      const { markRules } = control
      const page =
        view === 'full' ? markRules.list(filter, paging) : markRules.declaredList(filter, paging)
      return sendPage(request, reply, page, view)
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
        querystring: ReadQuery,
        response: answers(
          { 200: shown('The mark rule.', MarkRule, MarkRuleConfig), 304: empty('Unchanged.') },
          ...[400, 404],
        ),
      },
    },
    (request, reply) => {
      const { name } = request.params
      const { view = 'full' } = request.query
      const { markRules } = control
      const found = view === 'full' ? markRules.get(name) : markRules.declared(name)
      return sendRead(request, reply, control, found, view)
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
        querystring: WriteQuery,
        body: linked(MarkRuleConfig),
        response: answers(
          {
            200: written('Replaced, or unchanged.', MarkRule),
            201: document('Created.', MarkRule),
          },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    async (request, reply) => {
      const { name } = request.params
      const plan = control.markRules.put(name, bodyOf(request), conditionsOf(request))
      return carryOut(control, request, reply, plan, `/v1/mark-rules/${name}`)
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
        querystring: WriteQuery,
        consumes: ['application/merge-patch+json', 'application/json'],
        body: MergePatch({ destinationPorts: ['80', '443'] }),
        response: answers(
          { 200: written('The mark rule as it is now.', MarkRule) },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    async (request, reply) => {
      const { name } = request.params
      const plan = control.markRules.patch(name, bodyOf(request), conditionsOf(request))
      return carryOut(control, request, reply, plan, request.url)
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
        response: answers(deleted(), ...[400, 404, 412, 500, 503]),
      },
    },
    async (request, reply) => {
      const { missingOk = false } = request.query
      const { name } = request.params
      const plan = control.markRules.delete(name, conditionsOf(request), missingOk)
      return carryOut(control, request, reply, plan, request.url)
    },
  )
}
