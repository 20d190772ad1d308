/**
 * The document as OpenAPI 3.0.3, for generators that do not read 3.1 yet. 3.0 has a dialect of
 * JSON Schema of its own: `nullable` instead of the type null, one `example`, no `const`, boolean
 * exclusive bounds, nothing beside a `$ref`. What it cannot say is left out, never changed.
 */
import type { OpenApi } from './document.js'
import { isObject, resolve, type Components, type SchemaNode } from './schema-node.js'

/** Keywords of JSON Schema 2020-12 that 3.0 does not know. */
const UNKNOWN = [
  ...['$schema', '$id', '$comment', '$defs', 'if', 'then', 'else', 'contains', 'minContains'],
  ...['maxContains', 'dependentRequired', 'dependentSchemas', 'unevaluatedItems', 'propertyNames'],
  ...['unevaluatedProperties', 'prefixItems', 'contentEncoding', 'contentMediaType'],
]
const ONE = ['not', 'items', 'additionalProperties'] as const
const MANY = ['anyOf', 'oneOf', 'allOf'] as const

/** A new document; the given one stays as it is. */
export function toThreeZero(given: OpenApi): OpenApi {
  const document = walk(structuredClone(given)) as OpenApi
  const { schemas } = document.components
  document.openapi = '3.0.3'
  document.components.schemas = Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [name, schemaOf(schema)]),
  )
  const { license, ...info } = document.info
  // 3.0 has no SPDX identifier, but an address for every one of them.
  document.info = isObject(license)
    ? { ...info, license: { name: license.name, url: spdxUrl(license.identifier) } }
    : info
  withoutMutualTls(document)
  delete document.webhooks
  delete document.jsonSchemaDialect
  typeNullable(document, document.components.schemas)
  return document
}

const spdxUrl = (identifier: unknown) => `https://spdx.org/licenses/${String(identifier)}.html`

/** 3.0 has no scheme for client certificates. */
function withoutMutualTls(document: OpenApi): void {
  const schemes = (document.components.securitySchemes ?? {}) as Record<string, { type: string }>
  for (const [name, { type }] of Object.entries(schemes)) {
    if (type !== 'mutualTLS') continue
    delete schemes[name]
    const security = (document.security ?? []) as Record<string, string[]>[]
    document.security = security.filter(each => !(name in each))
  }
}

/** Parameters, headers and media types are the only places besides components that hold schemas. */
function walk(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(walk)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => {
      if (key === 'schema') return [key, schemaOf(each as SchemaNode)]
      // Data may have fields of any name.
      if (key === 'example' || key === 'examples' || key === 'schemas') return [key, each]
      return [key, walk(each)]
    }),
  )
}

function schemaOf(given: SchemaNode): SchemaNode {
  if (given.$ref !== undefined) return referenceOf(given)
  const schema: SchemaNode = { ...given }
  for (const keyword of UNKNOWN) delete schema[keyword]
  exampleOf(schema)
  constantOf(schema)
  boundOf(schema, 'exclusiveMinimum', 'minimum')
  boundOf(schema, 'exclusiveMaximum', 'maximum')
  for (const key of ONE) {
    const each = schema[key]
    if (isObject(each)) schema[key] = schemaOf(each)
  }
  for (const key of MANY) {
    const each = schema[key]
    if (each !== undefined) schema[key] = each.map(schemaOf)
  }
  if (schema.properties !== undefined)
    schema.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([name, each]) => [name, schemaOf(each)]),
    )
  patternsOf(schema)
  return nullableOf(schema)
}

/** Siblings of a reference do not count in 3.0. */
function referenceOf({ $ref, ...rest }: SchemaNode): SchemaNode {
  if (Object.keys(rest).length === 0) return { $ref: $ref! }
  return { allOf: [{ $ref: $ref! }], ...schemaOf(rest) }
}

function exampleOf(schema: SchemaNode): void {
  const [first] = schema.examples ?? []
  delete schema.examples
  if (first !== undefined && schema.example === undefined) schema.example = first
}

function constantOf(schema: SchemaNode): void {
  if (schema.const === undefined) return
  schema.enum = [schema.const]
  schema.type ??= schema.const === null ? 'null' : typeof schema.const
  delete schema.const
}

function boundOf(schema: SchemaNode, exclusive: string, inclusive: string): void {
  if (typeof schema[exclusive] !== 'number') return
  schema[inclusive] = schema[exclusive]
  schema[exclusive] = true
}

/** Keys that follow patterns become free keys with a value of either kind. */
function patternsOf(schema: SchemaNode): void {
  const { patternProperties } = schema
  delete schema.patternProperties
  if (!isObject(patternProperties)) return
  const values = Object.values(patternProperties) as SchemaNode[]
  schema.additionalProperties =
    values.length === 1 ? schemaOf(values[0]!) : { anyOf: values.map(schemaOf) }
}

/** `type: [a, null]`, `type: null`, `anyOf: [..., null]` and several types at once. */
function nullableOf(schema: SchemaNode): SchemaNode {
  const types = schema.type === undefined ? [] : [schema.type].flat()
  const rest = types.filter(type => type !== 'null')
  if (rest.length < types.length) {
    schema.nullable = true
    // 3.0 has no value that is null alone: any type that may be null, with null as its only value.
    if (rest.length === 0) Object.assign(schema, { enum: [null] })
    if (schema.enum !== undefined && !schema.enum.includes(null))
      schema.enum = [...schema.enum, null]
  }
  if (rest.length > 1) {
    delete schema.type
    schema.anyOf = rest.map(type => ({ type, ...(type === 'array' ? { items: {} } : {}) }))
    if (schema.nullable === true) for (const each of schema.anyOf) each.nullable = true
    delete schema.nullable
  } else if (types.length > 0) schema.type = rest[0] ?? 'string'
  if (schema.type === 'array') schema.items ??= {}
  for (const key of ['anyOf', 'oneOf'] as const) alternativesOf(schema, key)
  return schema
}

/** One alternative that is only null says that the others may be. */
function alternativesOf(schema: SchemaNode, key: 'anyOf' | 'oneOf'): void {
  const isNull = ({ enum: values, nullable }: SchemaNode) =>
    nullable === true && values?.length === 1 && values[0] === null
  const all = schema[key]
  const rest = all?.filter(each => !isNull(each))
  if (all === undefined || rest === undefined || rest.length === all.length) return
  const nullable = rest.map(each =>
    each.$ref === undefined
      ? { ...each, nullable: true }
      : { allOf: [{ $ref: each.$ref }], nullable: true },
  )
  if (nullable.length > 1) schema[key] = nullable
  else {
    delete schema[key]
    Object.assign(schema, nullable[0])
  }
}

/** 3.0 wants a type beside `nullable`: that of what is referred to. */
function typeNullable(value: unknown, components: Components): void {
  if (typeof value !== 'object' || value === null) return
  const node = value as SchemaNode
  const reference = node.nullable === true && node.type === undefined ? node.allOf?.[0] : undefined
  const type = reference === undefined ? undefined : resolve(reference, components).type
  if (type !== undefined) node.type = type
  for (const [key, each] of Object.entries(node))
    if (key !== 'example' && key !== 'examples') typeNullable(each, components)
}
