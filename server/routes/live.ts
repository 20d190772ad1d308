/** /v1/connections, /v1/stats, /v1/interfaces */
import { Type } from 'typebox'
import type { Control } from '../control.js'
import { ConnectionList, InterfaceList, StatisticsReport } from '../schemas/live.js'
import { ConnectionsQuery, StatisticsQuery } from '../schemas/parameters.js'
import { answer, answers, linkNext, type App } from './answers.js'

export function addLive(app: App, control: Control): void {
  app.get(
    '/v1/connections',
    {
      schema: {
        operationId: 'listConnections',
        summary: 'Lists connections and persistence templates',
        description: 'Read straight from the table while it changes; the order has no meaning.',
        tags: ['Live state'],
        querystring: ConnectionsQuery,
        response: answers({ 200: answer('One page.', ConnectionList) }, 400),
      },
    },
    (request, reply) => {
      const { limit = 100, cursor, ...query } = request.query
      const page = control.listConnections(query, limit, cursor)
      linkNext(request, reply, page.nextCursor)
      return reply.send(page)
    },
  )

  app.get(
    '/v1/stats',
    {
      schema: {
        operationId: 'getStatistics',
        summary: 'Counters and rates: totals, services, real servers, dataplane',
        tags: ['Live state'],
        querystring: StatisticsQuery,
        response: answers({ 200: answer('The counters.', StatisticsReport) }, 400, 404),
      },
    },
    request => control.readStatistics(request.query.service),
  )

  app.get(
    '/v1/interfaces',
    {
      schema: {
        operationId: 'listInterfaces',
        summary: 'Lists the interfaces of the host and what the dataplane works on',
        tags: ['Live state'],
        querystring: Type.Object({}),
        response: answers({ 200: answer('All interfaces.', InterfaceList) }, 400),
      },
    },
    () => ({ items: control.listInterfaces(), nextCursor: null }),
  )
}
