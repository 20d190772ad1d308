/**
 * Path and query parameters: strict, typed, every fault at once. Bodies are checked by the control
 * (documents.ts), which has to check merged documents just the same; their schemas are published.
 */
import type { FastifyInstance, FastifySchemaCompiler } from 'fastify'
import { Problem, type Fault } from '../errors.js'
import { parseAddress } from '../ip-address.js'
import { isValidName } from '../schemas/common.js'
import { oneOfHint, quote } from '../schemas/walk.js'

interface ParameterSchema {
  type: string
  enum?: readonly string[]
  format?: string
  minimum?: number
  maximum?: number
  maxLength?: number
  default?: unknown
}

interface ParametersSchema {
  properties?: Record<string, ParameterSchema>
  required?: readonly string[]
}

const compiler: FastifySchemaCompiler<ParametersSchema> = ({ schema, httpPart }) => {
  const properties = schema.properties ?? {}
  if (httpPart === 'params') return data => result(data, checkNames(data, properties))
  if (httpPart !== 'querystring') return () => true
  return data => {
    const { value, faults } = readQuery(schema, data as Record<string, unknown>)
    return result(value, faults)
  }
}

export function addValidation(app: FastifyInstance): void {
  app.setValidatorCompiler(compiler)
}

function result(value: unknown, faults: readonly Fault[]) {
  const first = faults[0]
  if (first === undefined) return { value }
  const detail = faults.length === 1 ? first.detail : `${faults.length} parameters are not valid.`
  return { error: new Problem('INVALID_PARAMETER', detail, { errors: faults }) }
}

function checkNames(data: unknown, properties: Record<string, ParameterSchema>): Fault[] {
  return Object.entries(data as Record<string, string>).flatMap(([parameter, text]): Fault[] => {
    const format = properties[parameter]?.format
    if (format === 'revision' && !/^\d{1,15}$/.test(text)) {
      const detail = `${quote(text)} is not the number of a revision.`
      return [{ parameter, code: 'INVALID_PARAMETER', detail }]
    }
    if (format !== 'name' || isValidName(text)) return []
    const detail = `${quote(text)} is not a valid name.`
    const hint = '1 to 63 of a-z, 0-9 and -, beginning and ending with a letter or digit.'
    return [{ parameter, code: 'INVALID_NAME', detail, hint }]
  })
}

function readQuery(schema: ParametersSchema, data: Record<string, unknown>) {
  const { properties = {}, required = [] } = schema
  const value: Record<string, unknown> = {}
  const faults: Fault[] = []
  const add = (parameter: string, code: Fault['code'], detail: string, hint?: string) =>
    faults.push({ parameter, code, detail, ...(hint === undefined ? {} : { hint }) })
  for (const [name, given] of Object.entries(data)) {
    const schema = Object.hasOwn(properties, name) ? properties[name]! : null
    if (schema === null) {
      const detail = `There is no parameter ${quote(name)} here.`
      add(name.slice(0, 64), 'UNKNOWN_PARAMETER', detail, oneOfHint(name, Object.keys(properties)))
      continue
    }
    const many = schema.type === 'array'
    const texts = (Array.isArray(given) ? given : [given]) as string[]
    if (texts.length > 1 && !many) {
      add(name, 'INVALID_PARAMETER', `'${name}' can be given once only.`)
      continue
    }
    const read = texts.map(text => readOne(schema, text))
    const wrong = read.find(each => each instanceof Error)
    if (wrong !== undefined) add(name, 'INVALID_PARAMETER', `'${name}': ${wrong.message}.`)
    else value[name] = many ? read : read[0]
  }
  for (const name of required) {
    if (Object.hasOwn(data, name)) continue
    const choice = properties[name]?.enum?.join(', ')
    const hint = choice === undefined ? undefined : `One of ${choice}.`
    add(name, 'INVALID_PARAMETER', `The parameter '${name}' is missing.`, hint)
  }
  for (const [name, schema] of Object.entries(properties)) {
    if (!Object.hasOwn(value, name) && schema.default !== undefined) value[name] = schema.default
  }
  return { value, faults }
}

function readOne(schema: ParameterSchema, text: string): unknown {
  if (schema.type === 'integer') return readInteger(schema, text)
  if (schema.type === 'boolean') {
    if (text === 'true' || text === 'false') return text === 'true'
    return new Error(`${quote(text)} is neither true nor false`)
  }
  if (schema.enum !== undefined && !schema.enum.includes(text)) {
    return new Error(`${quote(text)} is not allowed; ${oneOfHint(text, schema.enum)}`)
  }
  if (schema.format === 'ip') {
    const address = parseAddress(text)
    return address === null ? new Error(`${quote(text)} is not an IP address`) : address.text
  }
  if (text.length > (schema.maxLength ?? 512)) return new Error('the text is too long')
  return text
}

function readInteger({ minimum = 0, maximum = 4294967295 }: ParameterSchema, text: string) {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN
  if (value >= minimum && value <= maximum) return value
  return new Error(`${quote(text)} is not a whole number from ${minimum} to ${maximum}`)
}
