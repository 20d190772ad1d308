/** The parts of a JSON Schema (2020-12) that the document of this API is made of. */
export interface SchemaNode {
  $ref?: string
  type?: string | string[]
  format?: string
  pattern?: string
  enum?: unknown[]
  const?: unknown
  default?: unknown
  example?: unknown
  examples?: unknown[]
  description?: string
  readOnly?: boolean
  properties?: Record<string, SchemaNode>
  required?: string[]
  additionalProperties?: boolean | SchemaNode
  items?: SchemaNode
  minItems?: number
  minimum?: number
  anyOf?: SchemaNode[]
  oneOf?: SchemaNode[]
  allOf?: SchemaNode[]
  [keyword: string]: unknown
}

export type Components = Readonly<Record<string, SchemaNode>>

const PREFIX = '#/components/schemas/'

/** What a reference leads to; the node itself when it is none. */
export function resolve(node: SchemaNode, components: Components): SchemaNode {
  if (node.$ref === undefined) return node
  const target = components[node.$ref.slice(PREFIX.length)]
  if (!node.$ref.startsWith(PREFIX) || target === undefined)
    throw new Error(`${node.$ref} leads nowhere`)
  return target
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
