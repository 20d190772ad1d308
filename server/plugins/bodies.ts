/** Takes bodies in JSON and YAML and says where one is broken; answers in either. */
import type { FastifyInstance } from 'fastify'
import { Problem } from '../errors.js'
import { faultOf } from '../http/json-text.js'
import { DECLARED } from '../http/media-types.js'
import { formatYaml, parseYaml } from '../http/yaml-text.js'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
const YAML = 'application/yaml'
/** RFC 9512, and names from before it. */
const YAML_TYPES = [YAML, 'application/x-yaml', 'text/yaml', 'text/x-yaml']

export function addBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  const parser = (types: string[], parse: (body: Buffer) => unknown) =>
    app.addContentTypeParser(types, { parseAs: 'buffer' }, (request, body: Buffer, done) => {
      try {
        checkEncoding(request.headers['content-encoding'])
        done(null, parse(body))
      } catch (error) {
        done(error as Error)
      }
    })
  parser(['application/json', 'application/merge-patch+json', DECLARED], parseBody)
  parser(YAML_TYPES, parseYamlBody)
  app.addHook('preSerialization', (request, reply, payload, done) => {
    const type = String(reply.getHeader('content-type') ?? 'application/json')
    // A problem is JSON whatever was asked for: RFC 9457 has no YAML.
    if (type.includes('json') && !type.includes('problem')) {
      void reply.header('vary', 'accept')
      if (wantsYaml(request.headers.accept)) void reply.type(YAML).serializer(formatYaml)
    }
    done(null, payload)
  })
}

/** Nothing is unpacked: a small body could become a large one. */
function checkEncoding(encoding = 'identity'): void {
  if (encoding === 'identity') return
  const detail = `Send the body as it is, without the Content-Encoding ${encoding.slice(0, 64)}.`
  throw new Problem('UNSUPPORTED_MEDIA_TYPE', detail, {
    headers: { 'accept-encoding': 'identity' },
  })
}

/** Undefined for an empty body: only the route knows whether it needs one. */
export function parseBody(body: Buffer): unknown {
  if (body.length === 0) return undefined
  const text = decode(body, 'MALFORMED_JSON')
  const fault = faultOf(text)
  if (fault === null) return JSON.parse(text)
  const detail = `Line ${fault.line}, column ${fault.column}: ${fault.detail}.`
  if (fault.kind === 'syntax') throw new Problem('MALFORMED_JSON', detail)
  throw new Problem('VALIDATION_FAILED', detail, { errors: [{ code: 'DUPLICATE_FIELD', detail }] })
}

function parseYamlBody(body: Buffer): unknown {
  if (body.length === 0) return undefined
  const result = parseYaml(decode(body, 'MALFORMED_YAML'))
  // A text without a document (comments alone) is as empty as no text.
  if ('value' in result) return result.value === null ? undefined : result.value
  const { kind, line, column, detail: what } = result.fault
  const detail = `Line ${line}, column ${column}: ${what}.`
  if (kind === 'syntax') throw new Problem('MALFORMED_YAML', detail)
  throw new Problem('VALIDATION_FAILED', detail, { errors: [{ code: 'DUPLICATE_FIELD', detail }] })
}

function decode(body: Buffer, code: 'MALFORMED_JSON' | 'MALFORMED_YAML'): string {
  try {
    return utf8.decode(body)
  } catch (cause) {
    throw new Problem(code, 'The body is not UTF-8.', { cause })
  }
}

/** Whether YAML is wanted more than JSON (RFC 9110 section 12.5.1). */
export function wantsYaml(accept: string | undefined): boolean {
  if (accept === undefined || !accept.includes('yaml')) return false
  const ranges = accept.split(',').map(range => {
    const [type = '', ...parameters] = range.split(';').map(part => part.trim().toLowerCase())
    const quality = parameters.find(each => each.startsWith('q='))
    return { type, quality: quality === undefined ? 1 : Number(quality.slice(2)) || 0 }
  })
  const best = (types: readonly string[]) =>
    Math.max(0, ...ranges.filter(({ type }) => types.includes(type)).map(({ quality }) => quality))
  const yaml = best(YAML_TYPES)
  return yaml > 0 && yaml >= best(['application/json'])
}
