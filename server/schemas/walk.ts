/**
 * Checks a value against a schema and says everything that is wrong with it, in the API's words:
 * JSON Pointer, stable code, nearest known name. It knows the keywords that this project's
 * documents use and refuses a schema with any other, so nothing is ever left unchecked.
 */
import { escapePointer, type Fault } from '../errors.js'
import type { FaultCode } from '../faults.js'
import { FAULTS_MAX } from '../documents/findings.js'
import { nearest } from '../nearest.js'

interface Schema {
  type?: string
  enum?: readonly string[]
  pattern?: string
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  properties?: Record<string, Schema>
  required?: readonly string[]
  additionalProperties?: false | Schema
  propertyNames?: { pattern: string }
  maxProperties?: number
  items?: Schema
  maxItems?: number
}

const KNOWN = new Set(
  'type enum pattern minLength maxLength minimum maximum properties required additionalProperties '
    .concat('propertyNames maxProperties items maxItems ')
    .concat('description default examples readOnly format x-component')
    .split(' '),
)
/** Beyond this a text is not a mistyped name, and comparing it would only cost time. */
const TYPO_MAX = 64

/** Whether a value is an object in JSON's sense. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Every fault of `value`, in document order; empty when it fits. */
export function faultsOf(schema: object, value: unknown, pointer = ''): Fault[] {
  const found: Fault[] = []
  walk(schema, value, pointer, found)
  return found
}

function walk(schema: Schema, value: unknown, pointer: string, found: Fault[]): void {
  if (found.length >= FAULTS_MAX) return
  if (schema.type !== undefined && !hasType(schema.type, value)) {
    const detail = `Expected ${withArticle(schema.type)}, found ${typeName(value)}.`
    found.push({ pointer, code: 'WRONG_TYPE', detail, ...typeHint(schema, value) })
  } else if (typeof value === 'string') walkString(schema, value, pointer, found)
  else if (typeof value === 'number') walkNumber(schema, value, pointer, found)
  else if (Array.isArray(value)) walkArray(schema, value, pointer, found)
  else if (isObject(value)) walkObject(schema, value, pointer, found)
}

function walkString(schema: Schema, value: string, pointer: string, found: Fault[]): void {
  const add = (code: FaultCode, detail: string, hint?: string) =>
    found.push({ pointer, code, detail, ...(hint === undefined ? {} : { hint }) })
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    add('INVALID_VALUE', `${quote(value)} is not allowed here.`, oneOfHint(value, schema.enum))
  } else if (schema.maxLength !== undefined && value.length > schema.maxLength) {
    add('TOO_LONG', `The text has ${value.length} characters; at most ${schema.maxLength} fit.`)
  } else if (schema.minLength !== undefined && value.length < schema.minLength) {
    add('INVALID_VALUE', `${quote(value)} is too short.`)
  } else if (schema.pattern !== undefined && !new RegExp(schema.pattern, 'u').test(value)) {
    add('INVALID_VALUE', `${quote(value)} does not match ${schema.pattern}.`)
  }
}

function walkNumber(schema: Schema, value: number, pointer: string, found: Fault[]): void {
  const { minimum = -Infinity, maximum = Infinity } = schema
  if (value >= minimum && value <= maximum) return
  const detail = `${value} is not in the range from ${minimum} to ${maximum}.`
  found.push({ pointer, code: 'OUT_OF_RANGE', detail })
}

function walkArray(schema: Schema, value: unknown[], pointer: string, found: Fault[]): void {
  if (schema.maxItems !== undefined && value.length > schema.maxItems) {
    const detail = `The list has ${value.length} entries; at most ${schema.maxItems} fit.`
    found.push({ pointer, code: 'TOO_LONG', detail })
  }
  if (schema.items === undefined) return
  for (const [i, item] of value.entries()) walk(schema.items, item, `${pointer}/${i}`, found)
}

function walkObject(
  schema: Schema,
  value: Record<string, unknown>,
  pointer: string,
  found: Fault[],
): void {
  const { properties = {}, additionalProperties, propertyNames, maxProperties } = schema
  const names = Object.keys(value)
  if (maxProperties !== undefined && names.length > maxProperties) {
    const detail = `There are ${names.length} entries; at most ${maxProperties} fit.`
    found.push({ pointer, code: 'TOO_LONG', detail })
  }
  const pattern = propertyNames === undefined ? null : new RegExp(propertyNames.pattern, 'u')
  for (const name of names) {
    if (found.length >= FAULTS_MAX) return
    const at = `${pointer}/${escapePointer(name)}`
    const known = Object.hasOwn(properties, name) ? properties[name]! : additionalProperties
    if (known === false) found.push(unknownField(at, name, Object.keys(properties)))
    else if (pattern !== null && !pattern.test(name)) found.push(badName(at, name, pattern))
    else if (known !== undefined) walk(known, value[name], at, found)
  }
  for (const name of schema.required ?? []) {
    if (Object.hasOwn(value, name)) continue
    const detail = `The field '${name}' is missing.`
    found.push({ pointer: `${pointer}/${escapePointer(name)}`, code: 'MISSING_FIELD', detail })
  }
}

function unknownField(pointer: string, name: string, known: readonly string[]): Fault {
  const detail = `There is no field ${quote(name)} here.`
  return { pointer, code: 'UNKNOWN_FIELD', detail, hint: oneOfHint(name, known) }
}

function badName(pointer: string, name: string, pattern: RegExp): Fault {
  const label = pattern.source.includes('A-Z')
  const detail = `${quote(name)} does not match ${pattern.source}.`
  return { pointer, code: label ? 'INVALID_LABEL' : 'INVALID_NAME', detail }
}

export function oneOfHint(text: string, known: readonly string[]): string {
  const meant = text.length <= TYPO_MAX ? nearest(text, known) : null
  return meant === null ? `Known are: ${known.join(', ')}.` : `Did you mean '${meant}'?`
}

/** For messages: a long text is cut, so that an answer never repeats a whole body. */
export function quote(text: string): string {
  return text.length <= TYPO_MAX ? `'${text}'` : `'${text.slice(0, TYPO_MAX)}…'`
}

function hasType(type: string, value: unknown): boolean {
  if (type === 'integer') return Number.isSafeInteger(value)
  if (type === 'number') return typeof value === 'number'
  return type === typeName(value)
}

function typeName(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

const withArticle = (type: string) => (/^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`)

function typeHint(schema: Schema, value: unknown): { hint?: string } {
  if (value === null) return { hint: 'Leave the field out; null removes a field only in PATCH.' }
  const number = schema.type === 'integer' || schema.type === 'number'
  if (number && typeof value === 'string' && /^\d+$/.test(value))
    return { hint: 'Write the number without quotes.' }
  if (number && typeof value === 'number') return { hint: 'Write a whole number.' }
  return {}
}

/** Throws when a schema has a keyword that `faultsOf` would not look at. For the tests. */
export function assertUnderstood(schema: object): void {
  for (const [key, value] of Object.entries(schema)) {
    if (!KNOWN.has(key)) throw new Error(`the walker does not know the keyword ${key}`)
    if (key === 'properties') Object.values(value as object).forEach(assertUnderstood)
    if (key === 'items' || key === 'additionalProperties')
      if (isObject(value)) assertUnderstood(value)
  }
}
