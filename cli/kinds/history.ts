/** The configuration as one document, its revisions, and what happens to an appliance. */
import type { Configuration, Event, Operation, Revision } from '../../openapi/client/schema.js'
import { must } from '../client/client.js'
import { cursorQuery, pagesOf, type Kind } from './kind.js'

const PAGE = 500

export const configurations: Kind<Configuration> = {
  names: ['config', 'configuration'],
  about: 'the whole configuration; -o yaml is what apply takes',
  single: true,
  nameOf: () => 'config',
  columns: [],
  async *read({ client }, { filters }) {
    // Without defaults, as people write it; --filter view=full says them.
    const query = { view: 'declared' as const, ...filters }
    const answer = await must(client.GET('/v1/config', { params: { query } }))
    yield [answer]
  },
}

export const revisions: Kind<Revision> = {
  names: ['revisions', 'revision', 'history'],
  about: 'what the configuration was, newest first',
  nameOf: ({ revision }) => String(revision),
  columns: [
    { title: 'REVISION', value: ({ revision }) => revision },
    { title: 'AT', value: ({ at }) => at },
    { title: 'BY', value: ({ actor }) => actor?.name },
    { title: 'CHANGES', value: changesText },
    { title: 'MESSAGE', value: ({ message }) => message },
    { title: 'REQUEST', wide: true, value: ({ requestId }) => requestId },
  ],
  async *read({ client }, { names, filters }) {
    const wanted = new Set(names)
    const query = { limit: PAGE, ...filters }
    const pages = pagesOf(cursor =>
      must(
        client.GET('/v1/config/revisions', {
          params: { query: { ...query, ...cursorQuery(cursor) } },
        }),
      ),
    )
    for await (const page of pages)
      yield names.length === 0 ? page : page.filter(({ revision }) => wanted.has(String(revision)))
  },
}

/** What fits into a cell; `sluice diff REVISION` has all. */
function changesText({ changes }: Revision): string {
  const [first, ...rest] = changes
  if (first === undefined) return ''
  const name = first.kind === 'settings' ? 'settings' : `${first.kind} ${first.name}`
  return `${first.action} ${name}${rest.length === 0 ? '' : ` and ${rest.length} more`}`
}

export const operations: Kind<Operation> = {
  names: ['operations', 'operation', 'ops'],
  about: 'what goes on, and what became of it, newest first',
  nameOf: ({ id }) => id,
  columns: [
    { title: 'ID', value: ({ id }) => id },
    { title: 'KIND', value: ({ kind }) => kind },
    { title: 'STATE', value: ({ state }) => state },
    { title: 'DEADLINE', value: ({ deadline }) => deadline },
    { title: 'ENDED', value: ({ endedAt }) => endedAt },
    { title: 'DETAIL', value: ({ detail }) => detail },
  ],
  async *read({ client }, { names, filters }) {
    for (const id of names)
      yield [await must(client.GET('/v1/operations/{id}', { params: { path: { id } } }))]
    if (names.length > 0) return
    const query = { limit: PAGE, ...filters }
    yield* pagesOf(cursor =>
      must(
        client.GET('/v1/operations', { params: { query: { ...query, ...cursorQuery(cursor) } } }),
      ),
    )
  },
}

const eventColumns: Kind<Event>['columns'] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'AT', value: ({ at }) => at },
  { title: 'TYPE', value: ({ type }) => type },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'OUTCOME', value: ({ outcome }) => outcome },
  { title: 'BY', value: ({ actor }) => actor?.name },
  { title: 'REVISION', wide: true, value: ({ revision }) => revision },
  { title: 'FROM', wide: true, value: ({ address }) => address },
  { title: 'REQUEST', wide: true, value: ({ requestId }) => requestId },
]

export const events: Kind<Event> = {
  names: ['events', 'event'],
  about: 'what happened lately, oldest first; sluice events follows',
  nameOf: ({ id }) => String(id),
  columns: eventColumns,
  async *read({ client }, { filters }) {
    const { items } = await must(client.GET('/v1/events', { params: { query: filters } }))
    yield items
  },
}

export const auditLog: Kind<Event> = {
  names: ['audit-log', 'audit'],
  about: 'who changed what, and who was not let, newest first',
  nameOf: ({ id }) => String(id),
  columns: eventColumns,
  async *read({ client }, { filters }) {
    const query = { limit: PAGE, ...filters }
    yield* pagesOf(cursor =>
      must(
        client.GET('/v1/audit-log', { params: { query: { ...query, ...cursorQuery(cursor) } } }),
      ),
    )
  },
}
