/**
 * An example for any schema of the document: the one that was written beside it where there is one,
 * else made of its parts, so that no operation goes without.
 */
import { resolve, type Components, type SchemaNode } from './schema-node.js'

/** What a field of this name usually looks like; taken when its schema says nothing better. */
const USUAL: Readonly<Record<string, string | number>> = {
  ...{ name: 'web', service: 'web', server: 'a', protocol: 'tcp', interface: 'eth0' },
  ...{ address: '198.51.100.10', client: '192.0.2.9', port: 80, mark: 1, weight: 1 },
  ...{ scheduler: 'wrr', forwarding: 'masq', state: 'ESTABLISHED', mtuOctets: 1500 },
  ...{ macAddress: '02:00:00:00:00:01', uid: '0f8fad5b-d9cb-469f-a165-70867728950e' },
  ...{ operatingStatus: 'ONLINE', revision: 7, version: '0.1.0', apiVersion: 'v1' },
}
const FORMATS: Readonly<Record<string, string>> = {
  'date-time': '2026-11-22T12:00:00.000Z',
  'uri-reference': '/v1/virtual-services/web',
  uri: 'https://example.com/',
  ip: '198.51.100.10',
}

/** A value that the schema accepts; `name` is the field's, when it is one. */
export function exampleOf(schema: SchemaNode, components: Components, name = ''): unknown {
  const node = resolve(schema, components)
  const [example] = node.examples ?? []
  if (example !== undefined) return example
  if (node.example !== undefined) return node.example
  if (node.const !== undefined) return node.const
  if (node.default !== undefined) return node.default
  const choice = node.anyOf?.[0] ?? node.oneOf?.[0]
  if (choice !== undefined) return exampleOf(choice, components, name)
  if (node.allOf !== undefined)
    return Object.assign({}, ...node.allOf.map(each => exampleOf(each, components))) as unknown
  return ofType(node, components, name)
}

function ofType(node: SchemaNode, components: Components, name: string): unknown {
  const types = node.type === undefined ? [] : [node.type].flat()
  const usual = Object.hasOwn(USUAL, name) ? USUAL[name] : undefined
  if (node.enum !== undefined) return node.enum.includes(usual) ? usual : node.enum[0]
  if (usual !== undefined && types.includes(typeof usual === 'number' ? 'integer' : 'string'))
    return usual
  // What may be absent is, unless it has a usual value.
  if (types.includes('null')) return null
  if (types.includes('object') || node.properties !== undefined) return ofObject(node, components)
  if (types.includes('array'))
    return node.items === undefined ? [] : [exampleOf(node.items, components)]
  if (types.includes('string')) return FORMATS[node.format ?? ''] ?? ''
  if (types.includes('boolean')) return false
  return node.minimum ?? 0
}

/** What is required, and what has an example of its own. */
function ofObject(node: SchemaNode, components: Components): Record<string, unknown> {
  const { properties = {}, required = [] } = node
  const shown = Object.entries(properties).filter(
    ([key, each]) => required.includes(key) || hasExample(each, components),
  )
  return Object.fromEntries(shown.map(([key, each]) => [key, exampleOf(each, components, key)]))
}

function hasExample(schema: SchemaNode, components: Components): boolean {
  const { example, examples } = resolve(schema, components)
  return example !== undefined || (examples?.length ?? 0) > 0
}
