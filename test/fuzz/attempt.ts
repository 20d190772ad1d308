/** One request that an operation of the OpenAPI document does not expect. */
import type { Random } from '../fixtures/random.js'
import { mediaTypes, parametersIn, type Shown } from '../server/openapi/replay.js'
import { BODIES, chance, HEADERS, MEDIA_TYPES, pick, TEXTS, VALUES } from './hostile.js'

export interface Attempt {
  operationId: string
  method: string
  path: string
  headers: Record<string, string>
  body: Buffer | null
}

/** Names that exist on the stage, so that not everything ends with 404. */
const NAMES = ['web', 'a', 'b', 'edge', 'ci', '1', '0']

export function attempt(random: Random, operation: Shown): Attempt {
  const types = mediaTypes(operation)
  const type = types.length === 0 ? undefined : pick(random, types)
  const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type }
  if (type !== undefined && chance(random, 10)) headers['content-type'] = pick(random, MEDIA_TYPES)
  for (const [name, values] of Object.entries(HEADERS))
    if (chance(random, 2)) headers[name] = pick(random, values)
  const body = type === undefined && !chance(random, 5) ? null : bodyOf(random, operation, type)
  if (body === null) delete headers['content-type']
  const { operationId, method } = operation
  return { operationId, method, path: pathOf(random, operation), headers, body }
}

function pathOf(random: Random, operation: Shown): string {
  const text = (example: unknown): string => {
    if (chance(random, 75) && example !== undefined) return textOf(example)
    return chance(random, 50) ? pick(random, NAMES) : pick(random, TEXTS)
  }
  let path = operation.path
  for (const { name, example } of parametersIn(operation, 'path'))
    path = path.replace(`{${name}}`, () => escaped(random, text(example)))
  const query: string[] = []
  for (const { name, example } of parametersIn(operation, 'query')) {
    if (!chance(random, 10)) continue
    // Nobody is to wait long for what is right to wait.
    const value = name === 'waitSeconds' ? '0' : text(example)
    query.push(`${name}=${escaped(random, value)}`)
  }
  if (chance(random, 4)) query.push(`${escaped(random, pick(random, TEXTS))}=1`)
  return query.length === 0 ? path : `${path}?${query.join('&')}`
}

const textOf = (example: unknown): string =>
  typeof example === 'string' ? example : JSON.stringify(example)

/** Sometimes as bare as Node sends it. */
function escaped(random: Random, text: string): string {
  const isBare = /^[\x21-\x7e]*$/.test(text) && !/[?#/ ]/.test(text)
  if (isBare && chance(random, 30)) return text
  return encodeURIComponent(Buffer.from(text).toString())
}

function bodyOf(random: Random, operation: Shown, type: string | undefined): Buffer {
  const kind = random(10)
  if (kind === 0 || type === undefined) return Buffer.from(pick(random, BODIES))
  const example: unknown = operation.requestBody!.content[type]!.example
  if (typeof example === 'string') return damaged(random, Buffer.from(example))
  let document = example
  const changes = random(4)
  for (let i = 0; i < changes; i++) document = altered(random, document)
  const text = Buffer.from(JSON.stringify(document) ?? 'null')
  return kind === 1 ? damaged(random, text) : text
}

/** One place of a document changed: replaced, removed, renamed, added to, wrapped. */
function altered(random: Random, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || chance(random, 15)) return pick(random, VALUES)
  if (Array.isArray(value)) {
    if (value.length === 0 || chance(random, 20))
      return [...(value as unknown[]), pick(random, VALUES)]
    const at = random(value.length)
    return value.map((each: unknown, i) => (i === at ? altered(random, each) : each))
  }
  const entries = Object.entries(value)
  if (entries.length === 0 || chance(random, 15))
    return Object.fromEntries([...entries, [pick(random, TEXTS), pick(random, VALUES)]])
  const at = random(entries.length)
  const [key, inner] = entries[at]! as [string, unknown]
  switch (random(8)) {
    case 0:
      return Object.fromEntries(entries.filter((_, i) => i !== at))
    case 1:
      return Object.fromEntries(
        entries.map((each, i) => (i === at ? [pick(random, TEXTS), inner] : each)),
      )
    case 2:
      return { ...value, [key]: [inner] }
    default:
      return { ...value, [key]: altered(random, inner) }
  }
}

/** Cut short, or with octets changed or put in. */
function damaged(random: Random, text: Buffer): Buffer {
  if (text.length === 0) return Buffer.from(pick(random, BODIES))
  const at = random(text.length)
  if (chance(random, 30)) return text.subarray(0, at)
  const [before, after] = [text.subarray(0, at), text.subarray(at)]
  if (chance(random, 50)) return Buffer.concat([before, Buffer.from(pick(random, BODIES)), after])
  const changed = Buffer.from(text)
  changed[at] = random(256)
  return changed
}
