/** /v1/connections, /v1/stats, /v1/stats/zero, /v1/interfaces */
import { Type } from 'typebox'
import { preferred } from '../http/accept.js'
import { connectionLines, connectionTable, type ReadSlice } from '../live/connection-stream.js'
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
import { oneServiceTable, serviceTable } from '../live/service-table.js'
import { answer, answers, linkNext, listAnswer, type App } from './answers.js'

const NDJSON = 'application/x-ndjson'
const TEXT = 'text/plain'
const LINES = {
  [NDJSON]: '{"service":"web","protocol":"tcp","state":"ESTABLISHED"}\n',
  [TEXT]:
    'IPVS connection entries\n' +
    'pro expire state       source             virtual            destination\n' +
    'TCP 14:59  ESTABLISHED 192.0.2.9:40000    198.51.100.10:80   10.0.0.1:8080\n',
}
const STATISTICS_TABLE =
  'IP Virtual Server version 1.2.1 (size=4096)\n' +
  'Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n' +
  '  -> RemoteAddress:Port\n' +
  'TCP  198.51.100.10:80                   12       96       72    11520   864000\n'

/** Connections of a page that is worth a rest. */
const LONG = 1000

export function addLive(app: App, control: Control): void {
  app.get(
    '/v1/connections',
    {
      schema: {
        operationId: 'listConnections',
        summary: 'Lists connections and persistence templates',
        description:
          'Read straight from the table while it changes; the order has no meaning. As NDJSON or ' +
          'text it is a stream of all of them, unless `limit` says how many. While packets leave ' +
          'no core of the machine idle, long lists take rests in between.',
        tags: ['Live state'],
        querystring: ConnectionsQuery,
        response: answers({ 200: listAnswer('One page.', ConnectionList, LINES) }, 400),
      },
    },
    async (request, reply) => {
      const { limit, cursor, ...query } = request.query
      const type = preferred(request.headers.accept, ['application/json', NDJSON, TEXT])
      if (type !== 'application/json') {
        const read: ReadSlice = (most, from) => control.listConnections(query, most, from)
        const lines = type === NDJSON ? connectionLines : connectionTable
        const { courtesy } = control
        const listing = { read, courtesy, cursor, most: limit }
        return reply.type(`${type}; charset=utf-8`).send(lines(listing))
      }
      const page = control.listConnections(query, limit ?? 100, cursor)
      if (page.items.length >= LONG) await new Promise<void>(control.courtesy.betweenPages)
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
        response: answers(
          { 200: answer('The counters.', StatisticsReport, {}, { [TEXT]: STATISTICS_TABLE }) },
          ...[400, 404],
        ),
      },
    },
    async (request, reply) => {
      const { service, table = 'counters' } = request.query
      const type = preferred(request.headers.accept, ['application/json', TEXT])
      if (type !== TEXT) return control.readStatistics(service)
      const text =
        service === undefined
          ? serviceTable(control, table)
          : oneServiceTable(control, table, service)
      return reply.type(`${TEXT}; charset=utf-8`).send(await text)
    },
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
