/** Whom events are told to, and how that goes. */
import type { Webhook } from '../../openapi/client/schema.js'
import { must } from '../client/client.js'
import type { Kind } from './kind.js'

export const webhooks: Kind<Webhook> = {
  names: ['webhooks', 'webhook', 'hooks'],
  about: 'whom events are told to, and how that goes; sluice webhook',
  nameOf: ({ name }) => name,
  columns: [
    { title: 'NAME', value: ({ name }) => name },
    { title: 'TARGET', value: ({ url, command }) => url ?? command },
    { title: 'EVENTS', value: ({ events }) => events.join(',') },
    { title: 'STATE', value: stateOf },
    { title: 'QUEUED', value: ({ status }) => status.queued },
    { title: 'FAILED', value: ({ status }) => status.failures },
    { title: 'DROPPED', value: ({ status }) => status.dropped },
    { title: 'LAST SUCCESS', value: ({ status }) => status.lastSuccessAt ?? 'never' },
    { title: 'SIGNED', wide: true, value: ({ signed }) => (signed ? 'yes' : 'no') },
    { title: 'LAST ERROR', wide: true, value: ({ status }) => status.lastError?.detail },
  ],
  async *read({ client }, { names }) {
    for (const name of names)
      yield [await must(client.GET('/v1/webhooks/{name}', { params: { path: { name } } }))]
    if (names.length === 0) yield (await must(client.GET('/v1/webhooks', {}))).items
  },
}

/** Whether the last attempt went well. */
function stateOf({ enabled, status: { lastSuccessAt, lastError } }: Webhook): string {
  if (!enabled) return 'off'
  if (lastError !== null && (lastSuccessAt === null || lastError.at > lastSuccessAt))
    return 'failing'
  return lastSuccessAt === null ? 'new' : 'ok'
}
