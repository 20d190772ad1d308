/** /v1/settings */
import type { Control } from '../control.js'
import { linked } from '../schemas/components.js'
import { ReadQuery, WriteQuery } from '../schemas/parameters.js'
import { Settings, SettingsConfig } from '../schemas/settings.js'
import {
  answers,
  bodyOf,
  carryOut,
  conditionsOf,
  empty,
  sendRead,
  shown,
  written,
  type App,
} from './answers.js'
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
        querystring: ReadQuery,
        response: answers(
          { 200: shown('The settings.', Settings, SettingsConfig), 304: empty('Unchanged.') },
          400,
        ),
      },
    },
    (request, reply) => {
      const { view = 'full' } = request.query
      const { settings } = control
      const found = view === 'full' ? settings.get() : settings.declared()
      return sendRead(request, reply, control, found, view)
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
        querystring: WriteQuery,
        body: linked(SettingsConfig),
        response: answers({ 200: written('The settings as they are now.', Settings) }, ...BAD),
      },
    },
    async (request, reply) => {
      const plan = control.settings.put(bodyOf(request), conditionsOf(request))
      return carryOut(control, request, reply, plan, path)
    },
  )

  app.patch(
    path,
    {
      schema: {
        operationId: 'patchSettings',
        summary: 'Changes settings (RFC 7396 merge patch)',
        tags,
        querystring: WriteQuery,
        consumes: ['application/merge-patch+json', 'application/json'],
        body: MergePatch({
          timeouts: { tcpSeconds: 7200 },
          stateTimeouts: { tcp: { SYN_RECV: 10 } },
        }),
        response: answers({ 200: written('The settings as they are now.', Settings) }, ...BAD),
      },
    },
    async (request, reply) => {
      const plan = control.settings.patch(bodyOf(request), conditionsOf(request))
      return carryOut(control, request, reply, plan, path)
    },
  )
}
