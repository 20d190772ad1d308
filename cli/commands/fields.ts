/** What a field may hold, in the words of the appliance's own OpenAPI document. */
import { nearest } from '../../server/nearest.js'
import { UsageError } from './context.js'

/** The parts of a JSON Schema that are told of. */
export interface Schema {
  $ref?: string
  type?: string | readonly string[]
  description?: string
  properties?: Readonly<Record<string, Schema>>
  required?: readonly string[]
  items?: Schema
  additionalProperties?: Schema | boolean
  enum?: readonly unknown[]
  default?: unknown
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  maxItems?: number
  pattern?: string
  format?: string
  readOnly?: boolean
}
type Schemas = Readonly<Record<string, Schema>>

/** What can be written, by the names that people use, and its schema. */
const ROOTS: Readonly<Record<string, string>> = {
  ...{ service: 'VirtualServiceConfig', server: 'RealServerConfig', drain: 'DrainRequest' },
  ...{ maintenance: 'MaintenanceRequest', 'mark-rule': 'MarkRuleConfig' },
  ...{ 'health-check': 'HealthCheckConfig', settings: 'SettingsConfig', config: 'Configuration' },
  ...{ token: 'TokenRequest', webhook: 'WebhookRequest' },
}
export const FIELD_ROOTS = Object.keys(ROOTS)

interface Place {
  path: string
  schema: Schema
  isRequired: boolean
}

/** A page about `path`, such as `service.persistence.netmask`. */
export function fieldText(schemas: Schemas, path: string): string {
  const { schema, isRequired } = placeOf(schemas, path)
  const lines = [['FIELD', path], ['TYPE', typeOf(schemas, schema)], ...limitsOf(schema)]
  if (isRequired) lines.push(['REQUIRED', 'yes'])
  const about = schema.description ?? ''
  const head = lines.map(([label, text]) => `${label!.padEnd(12)}${text}\n`).join('')
  const fields = Object.entries(propertiesOf(schemas, schema)).filter(
    ([, field]) => resolved(schemas, field).readOnly !== true,
  )
  const width = Math.max(0, ...fields.map(([name]) => name.length)) + 2
  const list = fields.map(([name, field]) => {
    const whole = resolved(schemas, field)
    const brief = (whole.description ?? '').split(/(?<=[.;]) /)[0]!
    return `  ${name.padEnd(width)}<${typeOf(schemas, field)}>${brief === '' ? '' : `  ${brief}`}\n`
  })
  const body = about === '' ? '' : `\n${about}\n`
  return head + body + (list.length === 0 ? '' : `\nFIELDS\n${list.join('')}`)
}

/** Where a path could go on from what is written of it; whole paths. */
export function fieldPaths(schemas: Schemas, path: string): string[] {
  const above = path.split('.').slice(0, -1)
  if (above.length === 0) return FIELD_ROOTS
  try {
    const { schema } = placeOf(schemas, above.join('.'))
    return Object.keys(propertiesOf(schemas, schema)).map(name => [...above, name].join('.'))
  } catch {
    return []
  }
}

function placeOf(schemas: Schemas, path: string): Place {
  const [root, ...names] = path.split('.')
  const schema = schemas[ROOTS[root!] ?? '']
  if (schema === undefined) throw unknown(root!, FIELD_ROOTS, 'There is nothing to explain called')
  let place: Place = { path: root!, schema: resolved(schemas, schema), isRequired: false }
  for (const name of names) {
    const fields = propertiesOf(schemas, place.schema)
    const field = fields[name]
    if (field === undefined)
      throw unknown(name, Object.keys(fields), `'${place.path}' has no field called`)
    const isRequired = innermost(schemas, place.schema).required?.includes(name) === true
    place = { path: `${place.path}.${name}`, schema: resolved(schemas, field), isRequired }
  }
  return place
}

function unknown(name: string, known: readonly string[], what: string): UsageError {
  const meant = nearest(name, known)
  const hint = meant === null ? `known are ${known.join(', ')}` : `did you mean '${meant}'?`
  return new UsageError(`${what} '${name}'; ${known.length === 0 ? 'it has no fields' : hint}`)
}

/** What a reference leads to, with what stands beside the reference. */
function resolved(schemas: Schemas, schema: Schema): Schema {
  const { $ref, ...beside } = schema
  if ($ref === undefined) return schema
  return { ...resolved(schemas, schemas[$ref.split('/').at(-1)!] ?? {}), ...beside }
}

/** Of a list its entries, of a map its values: they are what has fields. */
function innermost(schemas: Schemas, schema: Schema): Schema {
  const whole = resolved(schemas, schema)
  if (whole.properties !== undefined) return whole
  if (whole.items !== undefined) return innermost(schemas, whole.items)
  if (typeof whole.additionalProperties === 'object')
    return innermost(schemas, whole.additionalProperties)
  return whole
}

const propertiesOf = (schemas: Schemas, schema: Schema) =>
  innermost(schemas, schema).properties ?? {}

function typeOf(schemas: Schemas, schema: Schema): string {
  const whole = resolved(schemas, schema)
  if (whole.items !== undefined) return `list of ${typeOf(schemas, whole.items)}`
  if (typeof whole.additionalProperties === 'object' && whole.properties === undefined)
    return `map of name to ${typeOf(schemas, whole.additionalProperties)}`
  const { type = whole.properties === undefined ? 'any' : 'object' } = whole
  return typeof type === 'string' ? type : type.join(' or ')
}

function limitsOf(schema: Schema): string[][] {
  const lines: string[][] = []
  const { minimum, maximum, pattern, format } = schema
  const allowed = schema.enum ?? schema.items?.enum
  if (schema.default !== undefined) lines.push(['DEFAULT', JSON.stringify(schema.default)])
  if (allowed !== undefined) lines.push(['ALLOWED', allowed.map(String).join(', ')])
  if (minimum !== undefined || maximum !== undefined)
    lines.push(['RANGE', `${minimum ?? ''} to ${maximum ?? ''}`])
  if (schema.maxLength !== undefined) lines.push(['LENGTH', `at most ${schema.maxLength}`])
  if (schema.maxItems !== undefined) lines.push(['ENTRIES', `at most ${schema.maxItems}`])
  if (format !== undefined) lines.push(['FORMAT', format])
  if (pattern !== undefined) lines.push(['PATTERN', pattern])
  return lines
}
