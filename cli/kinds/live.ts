/** Connections, counters, interfaces. */
import type { Connection, Interface, Statistics } from '../../openapi/client/schema.js'
import { must } from '../client/client.js'
import { cursorQuery, endpoint, pagesOf, type Kind } from './kind.js'

const PAGE = 1000

export const connections: Kind<Connection> = {
  names: ['connections', 'connection', 'conns', 'conn'],
  about: 'entries of the connection table',
  nameOf: c => `${c.protocol} ${endpoint(c.client)} ${endpoint(c.virtual)}`,
  columns: [
    { title: 'PROTOCOL', value: ({ protocol }) => protocol },
    { title: 'CLIENT', value: ({ client }) => endpoint(client) },
    { title: 'VIRTUAL', value: ({ virtual }) => endpoint(virtual) },
    { title: 'REAL SERVER', value: ({ realServer }) => endpoint(realServer) },
    { title: 'STATE', value: ({ state }) => state },
    { title: 'EXPIRES', value: ({ expiresInSeconds }) => `${expiresInSeconds} s` },
    { title: 'SERVICE', wide: true, value: ({ service }) => service },
    { title: 'SERVER', wide: true, value: ({ realServer }) => realServer.name },
    { title: 'FORWARDING', wide: true, value: ({ forwarding }) => forwarding },
    { title: 'PACKETS IN', wide: true, value: ({ inPkts }) => inPkts },
  ],
  read({ client }, { names, filters }) {
    // The one argument that a connection has is its service.
    const [service] = names
    const query = { limit: PAGE, ...(service === undefined ? {} : { service }), ...filters }
    return pagesOf(cursor =>
      must(
        client.GET('/v1/connections', { params: { query: { ...query, ...cursorQuery(cursor) } } }),
      ),
    )
  },
}

/** A line of counters: the whole, a service or one of its real servers. */
export interface Counted extends Statistics {
  name: string
  activeConns?: number
  inactConns?: number
}

export const stats: Kind<Counted> = {
  names: ['stats', 'statistics'],
  about: 'counters and rates of services and real servers',
  nameOf: ({ name }) => name,
  columns: [
    { title: 'NAME', value: ({ name }) => name },
    { title: 'CONNS', value: ({ conns }) => conns },
    { title: 'PACKETS IN', value: ({ inPkts }) => inPkts },
    { title: 'PACKETS OUT', value: ({ outPkts }) => outPkts },
    { title: 'BYTES IN', value: ({ inBytes }) => inBytes },
    { title: 'BYTES OUT', value: ({ outBytes }) => outBytes },
    { title: 'CPS', value: ({ cps }) => Math.round(cps) },
    { title: 'PPS IN', wide: true, value: ({ inPps }) => Math.round(inPps) },
    { title: 'PPS OUT', wide: true, value: ({ outPps }) => Math.round(outPps) },
    { title: 'BPS IN', wide: true, value: ({ inBps }) => Math.round(inBps) },
    { title: 'BPS OUT', wide: true, value: ({ outBps }) => Math.round(outBps) },
  ],
  async *read({ client }, { names: [service] }) {
    const query = service === undefined ? {} : { service }
    const report = await must(client.GET('/v1/stats', { params: { query } }))
    if (service === undefined) yield [{ name: 'total', ...report.totals }]
    for (const { name, realServers, ...counts } of report.services)
      yield [
        { name, ...counts },
        ...realServers.map(server => ({ ...server, name: `${name}/${server.name}` })),
      ]
  },
}

export const interfaces: Kind<Interface> = {
  names: ['interfaces', 'interface', 'links'],
  about: 'interfaces of the host, and which the dataplane works on',
  nameOf: ({ name }) => name,
  columns: [
    { title: 'NAME', value: ({ name }) => name },
    { title: 'DATAPLANE', value: ({ dataplane }) => (dataplane ? 'yes' : 'no') },
    { title: 'MAC', value: ({ macAddress }) => macAddress },
    { title: 'MTU', value: ({ mtuOctets }) => mtuOctets },
    { title: 'ADDRESSES', value: ({ addresses }) => addresses.join(',') },
  ],
  async *read({ client }, { names }) {
    const { items } = await must(client.GET('/v1/interfaces', {}))
    yield names.length === 0 ? items : items.filter(({ name }) => names.includes(name))
  },
}
