/** /v1/connections, /v1/stats, /v1/stats/zero, /v1/interfaces */
import { Type } from 'typebox'
import type { Control } from '../control.js'
import { linked } from '../schemas/components.js'
import {
  ConnectionList,
  InterfaceList,
  KillReport,
  StatisticsReport,
  ZeroRequest,
} from '../schemas/live.js'
import { ConnectionsQuery, KillQuery, StatisticsQuery } from '../schemas/parameters.js'
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

  app.delete(
    '/v1/connections',
    {
      schema: {
        operationId: 'deleteConnections',
        summary: 'Ends connections',
        description:
          'All that the filters name, a few at a time, so that other traffic does not wait; answers ' +
          'when all are ended. Connections of a client that is scheduled to the same server again ' +
          'may follow: to get everybody off a real server, drain it.',
        tags: ['Live state'],
        querystring: KillQuery,
        response: answers({ 200: answer('How many.', KillReport) }, 400, 404, 503),
      },
    },
    request => control.kills.kill(request.query),
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

  app.post(
    '/v1/stats/zero',
    {
      schema: {
        operationId: 'zeroStatistics',
        summary: 'Sets counters and rates to zero',
        description: 'Counts of connections that exist are not counters and stay.',
        tags: ['Live state'],
        querystring: Type.Object({}),
        body: linked(ZeroRequest),
        response: answers(
          { 200: answer('The figures after it, as GET /v1/stats gives them.', StatisticsReport) },
          ...[400, 404, 413, 415, 422, 503],
        ),
      },
    },
    ({ body }) => control.zeroStatistics(body === undefined ? {} : body),
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
