/**
 * Named components. Schemas are written whole, so that TypeScript and the validator see through
 * them; `linked` replaces every named part by a reference, which is what OpenAPI and the serializer
 * get. Without names a generator would call everything def-0.
 */
import { Type, type TSchema } from 'typebox'

/** Carries a component's name through TypeBox, which copies a schema to make it optional. */
const NAME = 'x-component'
const components = new Map<string, TSchema>()

/** Gives a schema its name in the OpenAPI document. */
export function component<T extends TSchema>(name: string, schema: T): T {
  if (components.has(name)) throw new Error(`two components are called ${name}`)
  const named = { ...schema, [NAME]: name }
  Object.defineProperties(named, marksOf(schema))
  components.set(name, named)
  return named
}

/** A string that is one of a list: `Type.Union` of literals would become `anyOf`. */
export const StringEnum = <const T extends readonly string[]>(values: T, options: object = {}) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...values], ...options })

/** An object with free keys. */
export const Dictionary = <T extends TSchema>(value: T, options: object = {}) =>
  Type.Unsafe<Record<string, Type.Static<T>>>({
    type: 'object',
    additionalProperties: value,
    ...options,
  })

/** A copy in which named parts are references and TypeBox's own marks are gone. */
export function linked(schema: object): object {
  return copy(schema, false) as object
}

/** All components, ready for `app.addSchema`. */
export function sharedSchemas(): object[] {
  return [...components].map(([name, schema]) => ({
    $id: name,
    ...(copy(schema, true) as object),
  }))
}

function copy(value: unknown, top: boolean): unknown {
  if (Array.isArray(value)) return value.map(each => copy(each, false))
  if (typeof value !== 'object' || value === null) return value
  if (!top && NAME in value) return { $ref: `${String(value[NAME])}#` }
  // Enumerable keys only: TypeBox marks its schemas with hidden ones.
  const entries = Object.entries(value).filter(([key]) => key !== NAME)
  return Object.fromEntries(entries.map(([key, each]) => [key, copy(each, false)]))
}

/** TypeBox keeps its marks in properties that a spread leaves behind. */
function marksOf(schema: object): PropertyDescriptorMap {
  const all = Object.entries(Object.getOwnPropertyDescriptors(schema))
  return Object.fromEntries(all.filter(([, descriptor]) => descriptor.enumerable === false))
}
