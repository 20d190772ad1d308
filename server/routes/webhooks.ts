/** /v1/webhooks */
import { Type } from 'typebox'
import { linked } from '../schemas/components.js'
import { NAME_PATTERN } from '../schemas/common.js'
import { WebhookDocument, WebhookList, WebhookRequest, WebhookTest } from '../schemas/webhook.js'
import type { FastifyRequest } from 'fastify'
import { webhookTag, type WebhookRecord, type Webhooks } from '../control/webhook-control.js'
import { answer, answers, bodyOf, conditionsOf, sendTagged, tagged, type App } from './answers.js'

const tags = ['Webhooks']
const path = '/v1/webhooks/:name'
const WebhookPath = Type.Object({
  name: Type.String({
    ...{ format: 'name', pattern: NAME_PATTERN, maxLength: 63 },
    description: 'Name of the webhook.',
    examples: ['pager'],
  }),
})
const querystring = Type.Object({})

export function addWebhooks(app: App, webhooks: Webhooks): void {
  const view = (hook: WebhookRecord) => viewOf(hook, webhooks.queued(hook))
  app.get(
    '/v1/webhooks',
    {
      schema: {
        operationId: 'listWebhooks',
        summary: 'Lists whom events are told to',
        ...{ tags, querystring },
        response: answers({ 200: answer('All webhooks, by name.', WebhookList) }, 400, 500),
      },
    },
    () => ({ items: webhooks.list().map(view), nextCursor: null }),
  )
  app.get(
    path,
    {
      schema: {
        operationId: 'getWebhook',
        summary: 'Shows a webhook and how its deliveries go',
        ...{ tags, querystring, params: WebhookPath },
        response: answers(
          {
            200: tagged('The webhook.', WebhookDocument),
            304: { description: 'Asked for as before.', type: 'null' },
          },
          ...[400, 404, 500],
        ),
      },
    },
    (request, reply) => {
      const hook = webhooks.get(request.params.name)
      return sendTagged(request, reply, webhookTag(hook), () => reply.send(view(hook)))
    },
  )
  addWrites(app, webhooks, view)
  app.post(
    `${path}/tests`,
    {
      schema: {
        operationId: 'createWebhookTest',
        summary: 'Sends a test event now, and says what came back',
        description:
          'One attempt, at once, whether the webhook is enabled or not: the event `webhook.test`.',
        ...{ tags, querystring, params: WebhookPath },
        response: answers(
          { 200: answer('What came back, also when that is a failure.', WebhookTest) },
          ...[400, 404, 500],
        ),
      },
    },
    request => webhooks.try(request.params.name, causeOf(request)),
  )
}

function addWrites(
  app: App,
  webhooks: Webhooks,
  view: (hook: WebhookRecord) => WebhookDocument,
): void {
  app.put(
    path,
    {
      schema: {
        operationId: 'putWebhook',
        summary: 'Makes a webhook or replaces it',
        description:
          'Events are sent in the order in which they happened, one at a time, as JSON with ' +
          '`Sluice-Event` (type), `Sluice-Delivery` (the same with every attempt), ' +
          '`Sluice-Timestamp` (seconds since 1970) and, with a secret, `Sluice-Signature: v1=` and ' +
          'the hexadecimal HMAC-SHA256 of the timestamp, a dot and the body. Anything but 2xx is ' +
          'tried again, after one second, then twice as long each time up to five minutes. A new ' +
          'webhook is told of what happens from now on; one that is replaced goes on where it was. ' +
          'Asked for again as it is, nothing changes.',
        ...{ tags, querystring, params: WebhookPath },
        body: linked(WebhookRequest),
        response: answers(
          {
            200: tagged('The webhook as it was stored, or unchanged.', WebhookDocument),
            201: tagged('The new webhook.', WebhookDocument),
          },
          ...[400, 409, 412, 413, 415, 422, 500, 503],
        ),
      },
    },
    (request, reply) => {
      const { name } = request.params
      const { hook, created } = webhooks.put(
        name,
        bodyOf(request),
        causeOf(request),
        conditionsOf(request),
      )
      if (created) void reply.code(201).header('location', `/v1/webhooks/${name}`)
      return reply.header('etag', webhookTag(hook)).send(view(hook))
    },
  )
  app.delete(
    path,
    {
      schema: {
        operationId: 'deleteWebhook',
        summary: 'Deletes a webhook; what it had not told yet is not told',
        ...{ tags, querystring, params: WebhookPath },
        response: answers(
          { 204: { description: 'Deleted.', type: 'null' } },
          ...[400, 404, 412, 500, 503],
        ),
      },
    },
    (request, reply) => {
      webhooks.delete(request.params.name, causeOf(request), conditionsOf(request))
      return reply.code(204).send()
    },
  )
}

const causeOf = ({ actor, id }: FastifyRequest) => ({ actor: actor!, requestId: id })

const viewOf = (hook: WebhookRecord, queued: number): WebhookDocument => ({
  name: hook.name,
  ...hook.spec,
  ...{ signed: hook.secret !== null, createdAt: hook.createdAt, updatedAt: hook.updatedAt },
  status: {
    ...{ lastDeliveredId: hook.lastDeliveredId, lastSuccessAt: hook.lastSuccessAt },
    ...{ lastError: hook.lastError, queued },
    ...{ failures: hook.failures, dropped: hook.dropped },
  },
})
