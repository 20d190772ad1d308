/** What the document has beyond the routes' own words: an example for every body that goes or comes. */
import { problems } from '../errors.js'
import { exampleOf } from './example.js'
import { isObject, type Components, type SchemaNode } from './schema-node.js'

export interface Media {
  schema?: SchemaNode
  example?: unknown
  examples?: Record<string, { value: unknown }>
}
export interface Parameter extends Media {
  name: string
  in: string
  required?: boolean
  description?: string
}
export interface Answer {
  description: string
  headers?: Record<string, Media>
  content?: Record<string, Media>
}
export interface Operation {
  operationId: string
  summary: string
  description?: string
  tags: string[]
  parameters?: Parameter[]
  requestBody?: { content: Record<string, Media>; required?: boolean; description?: string }
  responses: Record<string, Answer>
  security?: Record<string, string[]>[]
}
export interface OpenApi {
  openapi: string
  info: Record<string, unknown>
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, SchemaNode>; [kind: string]: unknown }
  [part: string]: unknown
}

/** The document with its examples; the given one stays as it is. */
export function withExamples(given: OpenApi): OpenApi {
  const document = structuredClone(given)
  const { schemas } = document.components
  for (const [path, operation] of operationsOf(document)) {
    for (const parameter of operation.parameters ?? []) exemplifyParameter(parameter, schemas)
    for (const media of Object.values(operation.requestBody?.content ?? {}))
      exemplify(media, schemas)
    for (const [status, answer] of Object.entries(operation.responses)) {
      for (const [type, media] of Object.entries(answer.content ?? {})) {
        if (type === 'application/problem+json') media.example = problemExample(status, path)
        else exemplify(media, schemas)
      }
    }
  }
  return document
}

/** Path and operation, in the document's order. */
export function operationsOf({ paths }: OpenApi): [path: string, operation: Operation][] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.values(methods).map((operation): [string, Operation] => [path, operation]),
  )
}

function exemplify(media: Media, components: Components): void {
  if (media.schema === undefined || media.example !== undefined || media.examples !== undefined)
    return
  // Strings are texts of their own format, which nothing can be made up for.
  if (media.schema.type === 'string' && media.schema.examples === undefined) return
  media.example = exampleOf(media.schema, components)
}

/** A path always needs its parameters; what is optional has an example only where one was written. */
function exemplifyParameter(parameter: Parameter, components: Components): void {
  const { schema } = parameter
  if (schema === undefined || parameter.example !== undefined) return
  const written = schema.example ?? schema.examples?.[0]
  if (written !== undefined) parameter.example = written
  else if (parameter.in === 'path')
    parameter.example = exampleOf(schema, components, parameter.name)
}

/** The first error of the catalogue with this status. */
function problemExample(status: string, path: string): unknown {
  const found = Object.entries(problems).find(([, each]) => String(each.status) === status)
  if (found === undefined) throw new Error(`${path} answers ${status}, which no problem has`)
  const [code, { title, about }] = found
  return {
    ...{ type: `/problems/${code}`, title, status: Number(status), detail: about },
    ...{ instance: path.replaceAll(/\{\w+\}/g, 'web'), code, requestId: 'a598f468-6', errors: [] },
  }
}

export const isOpenApi = (value: unknown): value is OpenApi =>
  isObject(value) && isObject(value.paths) && isObject(value.components)
