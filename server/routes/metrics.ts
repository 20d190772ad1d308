/** /metrics */
import { Type } from 'typebox'
import { preferred } from '../http/accept.js'
import type { Control } from '../control.js'
import { TYPES, type Format } from '../metrics/exposition.js'
import { answers, type App } from './answers.js'

/** Offered in the order of preference of whoever has none. */
const OFFERED = ['text/plain;version=0.0.4', 'application/openmetrics-text;version=1.0.0'] as const
const FORMATS: Readonly<Record<(typeof OFFERED)[number], Format>> = {
  'text/plain;version=0.0.4': 'prometheus',
  'application/openmetrics-text;version=1.0.0': 'openmetrics',
}

const HEAD =
  '# HELP sluice_dataplane_up Whether traffic is being carried.\n# TYPE sluice_dataplane_up gauge\n'
const EXAMPLE = `${HEAD}sluice_dataplane_up 1\n`

export function addMetrics(app: App, control: Control): void {
  app.get(
    '/metrics',
    {
      schema: {
        operationId: 'getMetrics',
        summary: 'Metrics for Prometheus',
        description:
          'Counters, rates, weights and health by the names of services and real servers; the ' +
          'dataplane, the API, the database and the process. As Prometheus text 0.0.4, or as ' +
          'OpenMetrics 1.0 when `Accept` prefers it.',
        tags: ['Live state'],
        querystring: Type.Object({}),
        response: answers(
          {
            200: {
              description: 'All metrics.',
              content: {
                'text/plain': { schema: { type: 'string', examples: [EXAMPLE] } },
                'application/openmetrics-text': {
                  schema: { type: 'string', examples: [`${EXAMPLE}# EOF\n`] },
                },
              },
            },
          },
          400,
        ),
      },
    },
    async (request, reply) => {
      const format = FORMATS[preferred(request.headers.accept, OFFERED)]
      const text = await control.metrics.scrape(format)
      return reply.type(TYPES[format]).header('vary', 'Accept').send(text)
    },
  )
}
