/** Virtual services and their real servers. */
import type { RealServer, VirtualService } from '../../openapi/client/schema.js'
import { must, type Session } from '../client/client.js'
import { cursorQuery, endpoint, labelsText, pagesOf, type Kind, type Query } from './kind.js'

const PAGE = 500
const PATH = '/v1/virtual-services'

export const services: Kind<VirtualService> = {
  names: ['services', 'service', 'svc', 'virtual-services'],
  about: 'virtual services',
  nameOf: ({ name }) => name,
  columns: [
    { title: 'NAME', value: ({ name }) => name },
    { title: 'ADDRESS', value: keyOf },
    { title: 'SCHEDULER', value: ({ scheduler }) => scheduler },
    { title: 'SERVERS', value: serversOf },
    { title: 'STATUS', value: ({ status }) => status.operatingStatus },
    { title: 'ACTIVE', value: ({ status }) => status.activeConns },
    { title: 'INACTIVE', value: ({ status }) => status.inactConns },
    { title: 'CPS', wide: true, value: ({ status }) => Math.round(status.statistics.cps) },
    {
      ...{ title: 'PERSISTENCE', wide: true },
      value: ({ persistence }) => (persistence ? `${persistence.timeoutSeconds ?? 0} s` : null),
    },
    { title: 'LABELS', wide: true, value: ({ labels }) => labelsText(labels) },
    { title: 'REVISION', wide: true, value: ({ meta }) => meta.revision },
  ],
  async *read({ client }, { names, labels, filters }) {
    if (names.length > 0) {
      for (const name of names)
        yield [await must(client.GET(`${PATH}/{name}`, { params: { path: { name } } }))]
      return
    }
    const query = { limit: PAGE, labels: [...labels], ...filters }
    yield* pagesOf(cursor =>
      must(client.GET(PATH, { params: { query: { ...query, ...cursorQuery(cursor) } } })),
    )
  },
}

export interface OwnedServer extends RealServer {
  service: string
}

export const servers: Kind<OwnedServer> = {
  names: ['servers', 'server', 'rs', 'real-servers'],
  about: 'real servers: all, those of SERVICE, or SERVICE/NAME',
  nameOf: ({ service, name }) => `${service}/${name}`,
  columns: [
    { title: 'SERVICE', value: ({ service }) => service },
    { title: 'NAME', value: ({ name }) => name },
    { title: 'ADDRESS', value: endpoint },
    { title: 'FORWARDING', value: ({ forwarding }) => forwarding },
    { title: 'WEIGHT', value: weightOf },
    { title: 'STATE', value: ({ adminState }) => adminState },
    { title: 'STATUS', value: ({ status }) => status.operatingStatus },
    { title: 'ACTIVE', value: ({ status }) => status.activeConns },
    { title: 'INACTIVE', value: ({ status }) => status.inactConns },
    { title: 'CPS', wide: true, value: ({ status }) => Math.round(status.statistics.cps) },
    {
      ...{ title: 'REASONS', wide: true },
      value: ({ status }) => status.reasons.map(({ code }) => code).join(','),
    },
    { title: 'LABELS', wide: true, value: ({ labels }) => labelsText(labels) },
    { title: 'REVISION', wide: true, value: ({ meta }) => meta.revision },
  ],
  async *read(session, query) {
    if (query.names.length === 0) {
      const all = { names: [], labels: [], filters: {} }
      for await (const page of services.read(session, all))
        for (const { name } of page) yield* serversIn(session, name, query)
    }
    for (const text of query.names) {
      const [service = '', name] = text.split('/')
      if (name === undefined) yield* serversIn(session, service, query)
      else yield [{ service, ...(await serverIn(session, service, name)) }]
    }
  },
}

async function* serversIn(
  { client }: Session,
  service: string,
  { labels, filters }: Query,
): AsyncIterable<readonly OwnedServer[]> {
  const path = { name: service }
  const pages = pagesOf(cursor => {
    const query = { limit: PAGE, labels: [...labels], ...filters, ...cursorQuery(cursor) }
    return must(client.GET(`${PATH}/{name}/real-servers`, { params: { path, query } }))
  })
  for await (const page of pages) yield page.map(server => ({ service, ...server }))
}

export const serverIn = ({ client }: Session, name: string, server: string) =>
  must(client.GET(`${PATH}/{name}/real-servers/{server}`, { params: { path: { name, server } } }))

function keyOf({ protocol, address = '', port = 0, fwmark, addressFamily }: VirtualService) {
  if (fwmark !== undefined) return `fwmark ${fwmark} ${addressFamily}`
  return `${protocol} ${endpoint({ address, port })}`
}

/** How many take new connections, of how many there are. */
function serversOf({ realServers }: VirtualService): string {
  const all = Object.values(realServers)
  return `${all.filter(({ status }) => status.effectiveWeight > 0).length}/${all.length}`
}

/** The weight that counts, and the configured one where it is another. */
function weightOf({ weight, status }: RealServer): string {
  if (status.effectiveWeight === weight) return String(weight)
  return `${status.effectiveWeight} (of ${weight})`
}
