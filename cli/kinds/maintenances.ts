/** Hosts that are drained as a whole, now or some time. */
import type { Maintenance } from '../../openapi/client/schema.js'
import { must } from '../client/client.js'
import { cursorQuery, labelsText, pagesOf, type Kind } from './kind.js'

const PAGE = 500

export const maintenances: Kind<Maintenance> = {
  names: ['maintenances', 'maintenance'],
  about: 'hosts that are drained as a whole; sluice maintenance',
  nameOf: ({ name }) => name,
  columns: [
    { title: 'NAME', value: ({ name }) => name },
    { title: 'SELECTS', value: selectorText },
    { title: 'PHASE', value: ({ status }) => status.phase },
    { title: 'SERVERS', value: ({ status: { totals } }) => totals.servers },
    { title: 'DRAINED', value: ({ status: { totals } }) => totals.drained },
    { title: 'CONNS', value: ({ status: { totals } }) => totals.connections },
    { title: 'START', value: ({ startAt, status }) => status.startedAt ?? startAt },
    { title: 'END', value: ({ endAt, status }) => status.endedAt ?? endAt },
    { title: 'COMMENT', value: ({ comment }) => comment },
    { title: 'DETAIL', wide: true, value: ({ status }) => status.detail },
  ],
  async *read({ client }, { names, filters }) {
    for (const name of names)
      yield [await must(client.GET('/v1/maintenances/{name}', { params: { path: { name } } }))]
    if (names.length > 0) return
    const query = { limit: PAGE, ...filters }
    yield* pagesOf(cursor =>
      must(
        client.GET('/v1/maintenances', { params: { query: { ...query, ...cursorQuery(cursor) } } }),
      ),
    )
  },
}

export function selectorText({ selector: { address, labels = {} } }: Maintenance): string {
  return [address ?? '', labelsText(labels)].filter(text => text !== '').join(' ')
}
