/** /v1/virtual-services */
import { Type } from 'typebox'
import { preferred } from '../accept.js'
import { isUnchanged } from '../conditions.js'
import type { Control } from '../control.js'
import { linked } from '../schemas/components.js'
import { DeleteQuery, ServicePath, ServiceQuery } from '../schemas/parameters.js'
import { VirtualService, VirtualServiceConfig } from '../schemas/virtual-service.js'
import { VirtualServiceList } from '../schemas/virtual-service.js'
import { serviceTable } from '../service-table.js'
import { answers, bodyOf, conditionsOf, document, empty, labelsOf } from './answers.js'
import { intentOf, linkNext, listAnswer, sendWritten, WRITE_PROBLEMS, type App } from './answers.js'
import { MergePatch } from './merge-patch-schema.js'

const tags = ['Virtual services']
const path = '/v1/virtual-services/:name'

const TEXT = 'text/plain'
const TABLE = {
  [TEXT]:
    'IP Virtual Server version 1.2.1 (size=4096)\n' +
    'Prot LocalAddress:Port Scheduler Flags\n' +
    '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n' +
    'TCP  198.51.100.10:80 wrr\n' +
    '  -> 10.0.0.1:8080                Masq    2      0          0         \n',
}

export function addVirtualServices(app: App, control: Control): void {
  app.get(
    '/v1/virtual-services',
    {
      schema: {
        operationId: 'listVirtualServices',
        summary: 'Lists virtual services by name',
        tags,
        querystring: ServiceQuery,
        description: 'As text it is the whole table of `ipvsadm -Ln`, whatever the limit.',
        response: answers({ 200: listAnswer('One page.', VirtualServiceList, TABLE) }, 400),
      },
    },
    async (request, reply) => {
      const { limit = 100, cursor, labels, ...filter } = request.query
      if (preferred(request.headers.accept, ['application/json', TEXT]) === TEXT) {
        const text = await serviceTable(control, 'services', filter, labelsOf(labels))
        return reply.type(`${TEXT}; charset=utf-8`).send(text)
      }
      const page = control.listServices(filter, { limit, cursor, labels: labelsOf(labels) })
      linkNext(request, reply, page.nextCursor)
      return reply.send(page)
    },
  )

  app.get(
    path,
    {
      schema: {
        operationId: 'getVirtualService',
        summary: 'Reads a virtual service with its real servers',
        tags,
        params: ServicePath,
        querystring: Type.Object({}),
        response: answers(
          { 200: document('The virtual service.', VirtualService), 304: empty('Unchanged.') },
          ...[400, 404],
        ),
      },
    },
    (request, reply) => {
      const written = control.getService(request.params.name)
      if (isUnchanged(conditionsOf(request).ifNoneMatch, written.view))
        return reply.code(304).header('etag', written.etag).send()
      return sendWritten(reply, written, request.url)
    },
  )

  app.put(
    path,
    {
      schema: {
        operationId: 'putVirtualService',
        summary: 'Creates or replaces a virtual service',
        description:
          'Answers once the dataplane has it. `realServers` replaces the whole set; without it, ' +
          'the real servers there are stay. Repeating the request changes nothing.',
        tags,
        params: ServicePath,
        querystring: Type.Object({}),
        body: linked(VirtualServiceConfig),
        response: answers(
          {
            200: document('Replaced, or unchanged.', VirtualService),
            201: document('Created.', VirtualService),
          },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    async (request, reply) => {
      const { name } = request.params
      const written = await control.putService(name, bodyOf(request), intentOf(request))
      return sendWritten(reply, written, `/v1/virtual-services/${name}`)
    },
  )

  app.patch(
    path,
    {
      schema: {
        operationId: 'patchVirtualService',
        summary: 'Changes fields of a virtual service (RFC 7396 merge patch)',
        tags,
        params: ServicePath,
        querystring: Type.Object({}),
        consumes: ['application/merge-patch+json', 'application/json'],
        body: MergePatch({ scheduler: 'wrr', realServers: { a: { weight: 5 } } }),
        response: answers(
          { 200: document('The virtual service as it is now.', VirtualService) },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    async (request, reply) => {
      const { name } = request.params
      const written = await control.patchService(name, bodyOf(request), intentOf(request))
      return sendWritten(reply, written, request.url)
    },
  )

  app.delete(
    path,
    {
      schema: {
        operationId: 'deleteVirtualService',
        summary: 'Deletes a virtual service with its real servers',
        tags,
        params: ServicePath,
        querystring: DeleteQuery,
        response: answers({ 204: empty('Deleted.') }, ...[400, 404, 412, 500, 503]),
      },
    },
    async (request, reply) => {
      const { missingOk = false } = request.query
      const intent = intentOf(request)
      const revision = await control.deleteService(request.params.name, intent, missingOk)
      return reply.code(204).header('config-revision', revision).send()
    },
  )
}
