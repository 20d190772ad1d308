/** /v1/virtual-services/{name}/real-servers */
import type { Control } from '../control.js'
import { linked } from '../schemas/components.js'
import {
  DeleteQuery,
  ReadQuery,
  ServerPath,
  ServerQuery,
  WriteQuery,
} from '../schemas/parameters.js'
import { ServicePath, SetQuery } from '../schemas/parameters.js'
import { RealServer, RealServerConfig, RealServerList } from '../schemas/real-server.js'
import { RealServerSet } from '../schemas/real-server.js'
import {
  answers,
  bodyOf,
  carryOut,
  conditionsOf,
  deleted,
  document,
  empty,
  labelsOf,
  sendPage,
  sendRead,
  sendTagged,
  shown,
  taggedList,
  written,
  WRITE_PROBLEMS,
  type App,
} from './answers.js'
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
        response: answers(
          {
            200: taggedList('One page.', RealServerList, RealServerSet),
            304: empty('Unchanged.'),
          },
          ...[400, 404],
        ),
      },
    },
    (request, reply) => {
      const { limit = 100, cursor, labels, sort, view = 'full', ...filter } = request.query
      const paging = { limit, cursor, sort, labels: labelsOf(labels) }
      const { name } = request.params
      const { services } = control
      const page =
        view === 'full'
          ? services.listServers(name, filter, paging)
          : services.declaredServers(name, filter, paging)
      // A page belongs to the whole set, which is what a PUT replaces.
      const etag = services.serversTag(name)
      void reply.header('config-revision', control.revision())
      return sendTagged(request, reply, etag, () => sendPage(request, reply, page, view))
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
          { 200: written('The set as it is now.', RealServerList) },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    async (request, reply) => {
      const { mode = 'replace' } = request.query
      const { name } = request.params
      const conditions = conditionsOf(request)
      const plan = control.services.putServers(name, bodyOf(request), mode, conditions)
      return carryOut(control, request, reply, plan, request.url)
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
        querystring: ReadQuery,
        response: answers(
          {
            200: shown('The real server.', RealServer, RealServerConfig),
            304: empty('Unchanged.'),
          },
          ...[400, 404],
        ),
      },
    },
    (request, reply) => {
      const { name, server } = request.params
      const { view = 'full' } = request.query
      const { services } = control
      const found =
        view === 'full' ? services.getServer(name, server) : services.declaredServer(name, server)
      return sendRead(request, reply, control, found, view)
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
        querystring: WriteQuery,
        body: linked(RealServerConfig),
        response: answers(
          {
            200: written('Replaced, or unchanged.', RealServer),
            201: document('Created.', RealServer),
          },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    async (request, reply) => {
      const { name, server } = request.params
      const conditions = conditionsOf(request)
      const plan = control.services.putServer(name, server, bodyOf(request), conditions)
      const location = `/v1/virtual-services/${name}/real-servers/${server}`
      return carryOut(control, request, reply, plan, location)
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
        querystring: WriteQuery,
        consumes: ['application/merge-patch+json', 'application/json'],
        body: MergePatch({ weight: 0 }),
        response: answers(
          { 200: written('The real server as it is now.', RealServer) },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    async (request, reply) => {
      const { name, server } = request.params
      const conditions = conditionsOf(request)
      const plan = control.services.patchServer(name, server, bodyOf(request), conditions)
      return carryOut(control, request, reply, plan, request.url)
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
        response: answers(deleted(), ...[400, 404, 412, 500, 503]),
      },
    },
    async (request, reply) => {
      const { name, server } = request.params
      const { missingOk = false } = request.query
      const plan = control.services.deleteServer(name, server, conditionsOf(request), missingOk)
      return carryOut(control, request, reply, plan, request.url)
    },
  )
}
