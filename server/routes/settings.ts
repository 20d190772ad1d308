/** /v1/settings */
import { Type } from 'typebox'
import { isUnchanged } from '../conditions.js'
import type { Control } from '../control.js'
import { linked } from '../schemas/components.js'
import { Settings, SettingsConfig } from '../schemas/settings.js'
import { answers, bodyOf, conditionsOf, document, empty } from './answers.js'
import { intentOf, sendWritten, type App } from './answers.js'
import { MergePatch } from './merge-patch-schema.js'

const tags = ['Settings']
const path = '/v1/settings'
const BAD = [400, 412, 413, 415, 422, 500, 503] as const

export function addSettings(app: App, control: Control): void {
  app.get(
    path,
    {
      schema: {
        operationId: 'getSettings',
        summary: 'Reads the settings',
        tags,
        querystring: Type.Object({}),
        response: answers(
          { 200: document('The settings.', Settings), 304: empty('Unchanged.') },
          400,
        ),
      },
    },
    (request, reply) => {
      const written = control.settings.get()
      const identified = { name: 'settings', meta: written.view.meta }
      if (isUnchanged(conditionsOf(request).ifNoneMatch, identified))
        return reply.code(304).header('etag', written.etag).send()
      return sendWritten(reply, written, path)
    },
  )

  app.put(
    path,
    {
      schema: {
        operationId: 'putSettings',
        summary: 'Replaces the settings; what is left out gets its default',
        description:
          'The names of /proc/sys/net/ipv4/vs that are not here are refused, each with the reason.',
        tags,
        querystring: Type.Object({}),
        body: linked(SettingsConfig),
        response: answers({ 200: document('The settings as they are now.', Settings) }, ...BAD),
      },
    },
    async (request, reply) => {
      const written = await control.settings.put(bodyOf(request), intentOf(request))
      return sendWritten(reply, written, path)
    },
  )

  app.patch(
    path,
    {
      schema: {
        operationId: 'patchSettings',
        summary: 'Changes settings (RFC 7396 merge patch)',
        tags,
        querystring: Type.Object({}),
        consumes: ['application/merge-patch+json', 'application/json'],
        body: MergePatch({
          timeouts: { tcpSeconds: 7200 },
          stateTimeouts: { tcp: { SYN_RECV: 10 } },
        }),
        response: answers({ 200: document('The settings as they are now.', Settings) }, ...BAD),
      },
    },
    async (request, reply) => {
      const written = await control.settings.patch(bodyOf(request), intentOf(request))
      return sendWritten(reply, written, path)
    },
  )
}
