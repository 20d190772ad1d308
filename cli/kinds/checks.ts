/** Health checks by name, and what they found of one real server. */
import type { HealthCheck, RealServerCheck } from '../../openapi/client/schema.js'
import { must } from '../client/client.js'
import { UsageError } from '../commands/context.js'
import { cursorQuery, labelsText, pagesOf, type Kind } from './kind.js'

const PAGE = 500

export const healthChecks: Kind<HealthCheck> = {
  names: ['health-checks', 'health-check', 'hc'],
  about: 'checks that services ask for by name',
  nameOf: ({ name }) => name,
  columns: [
    { title: 'NAME', value: ({ name }) => name },
    { title: 'KIND', value: ({ kind }) => kind },
    {
      title: 'EVERY',
      value: ({ intervalMilliseconds: ms }) => (ms === undefined ? null : `${ms} ms`),
    },
    {
      title: 'TIMEOUT',
      value: ({ timeoutMilliseconds: ms }) => (ms === undefined ? null : `${ms} ms`),
    },
    {
      title: 'RISE/FALL',
      value: ({ rise, fall }) => (rise === undefined ? null : `${rise}/${fall}`),
    },
    { title: 'USED BY', value: ({ status }) => status.usedBy.length },
    { title: 'USERS', wide: true, value: ({ status }) => status.usedBy.join(',') },
    { title: 'LABELS', wide: true, value: ({ labels }) => labelsText(labels) },
    { title: 'REVISION', wide: true, value: ({ meta }) => meta.revision },
  ],
  async *read({ client }, { names, labels, filters }) {
    for (const name of names)
      yield [await must(client.GET('/v1/health-checks/{name}', { params: { path: { name } } }))]
    if (names.length > 0) return
    const query = { limit: PAGE, labels: [...labels], ...filters }
    yield* pagesOf(cursor =>
      must(
        client.GET('/v1/health-checks', {
          params: { query: { ...query, ...cursorQuery(cursor) } },
        }),
      ),
    )
  },
}

export const serverChecks: Kind<RealServerCheck> = {
  names: ['checks', 'check'],
  about: 'what the checks of a real server found: SERVICE SERVER',
  nameOf: ({ name }) => name,
  columns: [
    { title: 'NAME', value: ({ name }) => name },
    { title: 'KIND', value: ({ kind }) => kind },
    { title: 'STATE', value: ({ state }) => state },
    { title: 'SINCE', value: ({ since }) => since },
    { title: 'RUNS', value: ({ runs }) => runs },
    { title: 'FAILED', value: ({ failures }) => failures },
    { title: 'LAST', value: ({ last }) => last?.detail },
    { title: 'CONTRARY', wide: true, value: ({ contraryResults }) => contraryResults },
    {
      ...{ title: 'TOOK', wide: true },
      value: ({ last }) => (last === null ? null : `${last.durationMilliseconds} ms`),
    },
  ],
  async *read({ client }, { names }) {
    const { service, server } = serverIn(names)
    const path = '/v1/virtual-services/{name}/real-servers/{server}/checks'
    const { items } = await must(client.GET(path, { params: { path: { name: service, server } } }))
    yield items
  },
}

/** `SERVICE SERVER`, or `SERVICE/SERVER` as elsewhere. */
export function serverIn(names: readonly string[]): { service: string; server: string } {
  const [service, server, ...rest] = names.flatMap(name => name.split('/'))
  if (!service || !server || rest.length > 0)
    throw new UsageError('say which real server: SERVICE SERVER')
  return { service, server }
}
