/** /v1/imports, /v1/exports */
import type { Control } from '../control.js'
import { Problem } from '../errors.js'
import { ExportQuery, ExportResult, ExportText } from '../schemas/exchange.js'
import { ImportQuery, ImportResult, ImportText, TEXT_OCTETS_MAX } from '../schemas/exchange.js'
import { linked } from '../schemas/components.js'
import { shown } from '../control/exchange-control.js'
import { permit } from '../auth/permit.js'
import { Operation } from '../schemas/operation.js'
import { answer, answers, document, written, WRITE_PROBLEMS, type App } from './answers.js'
import { carryOutOnce } from './confirming.js'

const tags = ['Import and export']
const begun = document('With `confirmWithinSeconds`: in force, to be confirmed.', Operation)
// Old configurations have comments in other encodings; they do not stop the rest from being read.
const utf8 = new TextDecoder('utf-8')

export function addExchange(app: App, control: Control): void {
  addExports(app, control)
  // Text is a body for imports alone, and JSON is none.
  void app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('text/plain', { parseAs: 'buffer' }, (_request, body: Buffer, ok) =>
      ok(null, utf8.decode(body)),
    )
    scope.addContentTypeParser('*', (_request, _body, ok) =>
      ok(new Problem('UNSUPPORTED_MEDIA_TYPE', 'Send the configuration as text/plain.')),
    )
    addImports(scope, control)
    done()
  })
}

function addImports(app: App, control: Control): void {
  app.post(
    '/v1/imports',
    {
      bodyLimit: TEXT_OCTETS_MAX,
      schema: {
        operationId: 'importConfiguration',
        summary: 'Reads the configuration of ipvsadm or keepalived',
        description:
          'Says statement by statement what was taken, changed, ignored or refused, and what ' +
          'document that makes. Services that are here already keep their names. Nothing is stored ' +
          'but with `apply`; `Idempotency-Key` makes repeating that safe.',
        tags,
        consumes: ['text/plain'],
        querystring: ImportQuery,
        body: linked(ImportText),
        response: answers(
          {
            200: written('What the text says; what it would do with `dryRun`.', ImportResult),
            202: begun,
          },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    async (request, reply) => {
      const { format, report = 'full', configId, manageAddress = true } = request.query
      const { apply = false, mode = 'merge', partial = false } = request.query
      if (apply) permit(request.actor!, 'write')
      else forbidWithoutApply(request.query)
      const text = textOf(request.body)
      const all = await control.exchange.read(text, { format, configId, manageAddress })
      const imported = { ...all, report: shown(all.report, report) }
      if (!apply) return reply.send(imported)
      const plan = control.exchange.takeOver(all, { mode, partial })
      return carryOutOnce(control, request, reply, plan, revision => ({ ...imported, revision }))
    },
  )
}

function addExports(app: App, control: Control): void {
  app.get(
    '/v1/exports',
    {
      schema: {
        operationId: 'exportConfiguration',
        summary: 'Writes the configuration for ipvsadm or keepalived',
        description:
          'With `Accept: text/plain` the text alone, otherwise also what the format cannot say.',
        tags,
        querystring: ExportQuery,
        response: answers(
          {
            200: {
              ...answer('The configuration.', ExportResult),
              content: {
                'application/json': { schema: linked(ExportResult) },
                'text/plain': { schema: linked(ExportText) },
              },
            },
          },
          400,
        ),
      },
    },
    async (request, reply) => {
      const exported = await control.exchange.export(request.query.format)
      void reply.header('vary', 'accept')
      if (!wantsText(request.headers.accept)) return exported
      return reply
        .type('text/plain; charset=utf-8')
        .serializer((text: string) => text)
        .send(exported.text)
    },
  )
}

/** What only a change has is a slip without one. */
function forbidWithoutApply(query: Readonly<Record<string, unknown>>): void {
  const errors = ['dryRun', 'confirmWithinSeconds']
    .filter(parameter => query[parameter] !== undefined && query[parameter] !== false)
    .map(parameter => ({
      ...{ parameter, code: 'CONFLICTING_FIELDS' as const },
      detail: `'${parameter}' says how to apply an import; it needs apply=true.`,
    }))
  const [first] = errors
  if (first !== undefined) throw new Problem('INVALID_PARAMETER', first.detail, { errors })
}

function textOf(body: unknown): string {
  if (typeof body === 'string' && body !== '') return body
  throw new Problem('MISSING_BODY', 'Send the configuration as text/plain in the body.')
}

/** Whether text is named before JSON or everything. */
function wantsText(accept = ''): boolean {
  const types = accept.split(',').map(type => type.split(';')[0]!.trim())
  const first = types.find(type => ['text/plain', 'application/json', '*/*'].includes(type))
  return first === 'text/plain'
}
