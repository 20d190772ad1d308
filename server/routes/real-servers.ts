/** /v1/virtual-services/{name}/real-servers */
import { Type } from 'typebox'
import { isUnchanged } from '../conditions.js'
import type { Control } from '../control.js'
import { linked } from '../schemas/components.js'
import { DeleteQuery, ServerPath, ServerQuery } from '../schemas/parameters.js'
import { ServicePath, SetQuery } from '../schemas/parameters.js'
import { RealServer, RealServerConfig, RealServerList } from '../schemas/real-server.js'
import { RealServerSet } from '../schemas/real-server.js'
import { answer, answers, bodyOf, conditionsOf, document, empty, labelsOf } from './answers.js'
import { intentOf, linkNext, listAnswer, sendWritten, WRITE_PROBLEMS, type App } from './answers.js'
import { MergePatch } from './merge-patch-schema.js'

const tags = ['Real servers']
const collection = '/v1/virtual-services/:name/real-servers'
const path = `${collection}/:server`

export function addRealServers(app: App, control: Control): void {
  addCollection(app, control)
  addReads(app, control)
  addWrites(app, control)
}

function addCollection(app: App, control: Control): void {
  app.get(
    collection,
    {
      schema: {
        operationId: 'listRealServers',
        summary: 'Lists the real servers of a virtual service by name',
        tags,
        params: ServicePath,
        querystring: ServerQuery,
        response: answers({ 200: listAnswer('One page.', RealServerList) }, 400, 404),
      },
    },
    (request, reply) => {
      const { limit = 100, cursor, labels, ...filter } = request.query
      const paging = { limit, cursor, labels: labelsOf(labels) }
      const page = control.listServers(request.params.name, filter, paging)
      linkNext(request, reply, page.nextCursor)
      return reply.send(page)
    },
  )

  app.put(
    collection,
    {
      schema: {
        operationId: 'putRealServers',
        summary: 'Replaces the whole set of real servers in one step',
        description: 'Connections of real servers that stay are not touched.',
        tags,
        params: ServicePath,
        querystring: SetQuery,
        body: linked(RealServerSet),
        response: answers(
          { 200: answer('The set as it is now.', RealServerList) },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    async (request, reply) => {
      const { mode = 'replace' } = request.query
      const { name } = request.params
      const { page, revision } = await control.replaceServers(
        name,
        bodyOf(request),
        mode,
        intentOf(request),
      )
      return reply.header('config-revision', revision).send(page)
    },
  )
}

function addReads(app: App, control: Control): void {
  app.get(
    path,
    {
      schema: {
        operationId: 'getRealServer',
        summary: 'Reads a real server',
        tags,
        params: ServerPath,
        querystring: Type.Object({}),
        response: answers(
          { 200: document('The real server.', RealServer), 304: empty('Unchanged.') },
          ...[400, 404],
        ),
      },
    },
    (request, reply) => {
      const written = control.getServer(request.params.name, request.params.server)
      if (isUnchanged(conditionsOf(request).ifNoneMatch, written.view))
        return reply.code(304).header('etag', written.etag).send()
      return sendWritten(reply, written, request.url)
    },
  )
}

function addWrites(app: App, control: Control): void {
  app.put(
    path,
    {
      schema: {
        operationId: 'putRealServer',
        summary: 'Creates or replaces a real server',
        description: 'Answers once the dataplane has it. Repeating the request changes nothing.',
        tags,
        params: ServerPath,
        querystring: Type.Object({}),
        body: linked(RealServerConfig),
        response: answers(
          {
            200: document('Replaced, or unchanged.', RealServer),
            201: document('Created.', RealServer),
          },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    async (request, reply) => {
      const { name, server } = request.params
      const intent = intentOf(request)
      const written = await control.putServer(name, server, bodyOf(request), intent)
      return sendWritten(reply, written, `/v1/virtual-services/${name}/real-servers/${server}`)
    },
  )

  app.patch(
    path,
    {
      schema: {
        operationId: 'patchRealServer',
        summary: 'Changes fields of a real server (RFC 7396 merge patch)',
        tags,
        params: ServerPath,
        querystring: Type.Object({}),
        consumes: ['application/merge-patch+json', 'application/json'],
        body: MergePatch({ weight: 0 }),
        response: answers(
          { 200: document('The real server as it is now.', RealServer) },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    async (request, reply) => {
      const { name, server } = request.params
      const intent = intentOf(request)
      const written = await control.patchServer(name, server, bodyOf(request), intent)
      return sendWritten(reply, written, request.url)
    },
  )

  app.delete(
    path,
    {
      schema: {
        operationId: 'deleteRealServer',
        summary: 'Deletes a real server',
        tags,
        params: ServerPath,
        querystring: DeleteQuery,
        response: answers({ 204: empty('Deleted.') }, ...[400, 404, 412, 500, 503]),
      },
    },
    async (request, reply) => {
      const { name, server } = request.params
      const { missingOk = false } = request.query
      const intent = intentOf(request)
      const revision = await control.deleteServer(name, server, intent, missingOk)
      return reply.code(204).header('config-revision', revision).send()
    },
  )
}
