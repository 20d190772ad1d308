/** Mark rules, settings, tokens, version. */
import type { MarkRule, Settings, Token, Version } from '../../openapi/client/schema.js'
import { must } from '../client/client.js'
import { cursorQuery, labelsText, pagesOf, type Kind } from './kind.js'

const PAGE = 500

export const markRules: Kind<MarkRule> = {
  names: ['mark-rules', 'mark-rule', 'marks'],
  about: 'which packets carry which firewall mark',
  nameOf: ({ name }) => name,
  columns: [
    { title: 'NAME', value: ({ name }) => name },
    { title: 'MARK', value: ({ mark }) => mark },
    { title: 'FAMILY', value: ({ addressFamily }) => addressFamily },
    { title: 'PROTOCOL', value: ({ protocol }) => protocol },
    { title: 'SOURCE', value: ({ source, sourcePorts }) => sideOf(source, sourcePorts) },
    {
      title: 'DESTINATION',
      value: ({ destination, destinationPorts }) => sideOf(destination, destinationPorts),
    },
    { title: 'INTERFACE', wide: true, value: rule => rule.interface },
    { title: 'ORDER', wide: true, value: ({ order }) => order },
    { title: 'LABELS', wide: true, value: ({ labels }) => labelsText(labels) },
  ],
  async *read({ client }, { names, labels, filters }) {
    for (const name of names)
      yield [await must(client.GET('/v1/mark-rules/{name}', { params: { path: { name } } }))]
    if (names.length > 0) return
    const query = { limit: PAGE, labels: [...labels], ...filters }
    yield* pagesOf(cursor =>
      must(
        client.GET('/v1/mark-rules', { params: { query: { ...query, ...cursorQuery(cursor) } } }),
      ),
    )
  },
}

const sideOf = (network = 'any', ports: readonly string[] = []) =>
  ports.length === 0 ? network : `${network} ${ports.join(',')}`

/** Printed as a list of paths, since it has more fields than a line has room. */
export const settings: Kind<Settings> = {
  names: ['settings'],
  about: 'the knobs of IPVS',
  single: true,
  nameOf: () => 'settings',
  columns: [],
  async *read({ client }) {
    yield [await must(client.GET('/v1/settings', {}))]
  },
}

export const versions: Kind<Version> = {
  names: ['version'],
  about: 'which Sluice it is',
  single: true,
  nameOf: () => 'version',
  columns: [],
  async *read({ client }) {
    yield [await must(client.GET('/v1/version', {}))]
  },
}

export const tokens: Kind<Token> = {
  names: ['tokens', 'token'],
  about: 'who may use the API, without the secrets',
  nameOf: ({ name }) => name,
  columns: [
    { title: 'NAME', value: ({ name }) => name },
    { title: 'SCOPE', value: ({ scope }) => scope },
    { title: 'CREATED', value: ({ createdAt }) => createdAt },
    { title: 'EXPIRES', value: ({ expiresAt }) => expiresAt ?? 'never' },
    { title: 'LAST USED', value: ({ lastUsedAt }) => lastUsedAt ?? 'never' },
    { title: 'FROM', wide: true, value: ({ lastUsedFrom }) => lastUsedFrom },
    { title: 'CREATED BY', wide: true, value: ({ createdBy }) => createdBy },
  ],
  async *read({ client }, { names, filters }) {
    const pages = pagesOf(cursor =>
      must(
        client.GET('/v1/tokens', {
          params: { query: { limit: 1000, ...filters, ...cursorQuery(cursor) } },
        }),
      ),
    )
    for await (const page of pages)
      yield names.length === 0 ? page : page.filter(({ name }) => names.includes(name))
  },
}
