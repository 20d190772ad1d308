/** The document as it is published, and a validator for it that is not ours. */
import { Compile } from 'typebox/compile'
import type { OpenApi } from '../../../server/openapi/document.js'
import { openApi30File, openApiFile, renderOpenApi } from '../../../server/openapi-file.js'

const files = await renderOpenApi()
export const text = files.get(openApiFile)!
export const text30 = files.get(openApi30File)!
export const document = JSON.parse(text) as OpenApi
export const document30 = JSON.parse(text30) as OpenApi

/** Whatever of the document has a `$ref`, with the components beside it, as JSON Schema has them. */
const asJsonSchema = (part: object) =>
  JSON.parse(JSON.stringify(part).replaceAll('#/components/schemas/', '#/$defs/')) as object

const definitions = asJsonSchema(document.components.schemas)
const compiled = new Map<string, ReturnType<typeof Compile>>()

/** What is wrong with a value; empty when the schema accepts it. */
export function errorsOf(schema: object, value: unknown): object[] {
  const key = JSON.stringify(schema)
  let validator = compiled.get(key)
  if (validator === undefined) {
    validator = Compile({ ...asJsonSchema(schema), $defs: definitions })
    compiled.set(key, validator)
  }
  return validator.Errors(value)
}
