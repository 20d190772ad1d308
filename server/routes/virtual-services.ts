/** /v1/virtual-services */
import { preferred } from '../http/accept.js'
import type { Control } from '../control.js'
import { linked } from '../schemas/components.js'
import {
  DeleteQuery,
  ReadQuery,
  ServicePath,
  ServiceQuery,
  WriteQuery,
} from '../schemas/parameters.js'
import { VirtualService, VirtualServiceConfig } from '../schemas/virtual-service.js'
import { DeclaredServiceList, VirtualServiceList } from '../schemas/virtual-service.js'
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
  shown,
  shownList,
  written,
  WRITE_PROBLEMS,
  type App,
} from './answers.js'
import { serviceTable } from '../live/service-table.js'
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
        response: answers(
          { 200: shownList('One page.', VirtualServiceList, DeclaredServiceList, TABLE) },
          400,
        ),
      },
    },
    async (request, reply) => {
      const { limit = 100, cursor, labels, sort, view = 'full', ...filter } = request.query
      if (preferred(request.headers.accept, ['application/json', TEXT]) === TEXT) {
        const text = await serviceTable(control, 'services', filter, labelsOf(labels))
        return reply.type(`${TEXT}; charset=utf-8`).send(text)
      }
      const paging = { limit, cursor, sort, labels: labelsOf(labels) }
      const { services } = control
      const page =
        view === 'full' ? services.list(filter, paging) : services.declaredList(filter, paging)
      return sendPage(request, reply, page, view)
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
        querystring: ReadQuery,
        response: answers(
          {
            200: shown('The virtual service.', VirtualService, VirtualServiceConfig),
            304: empty('Unchanged.'),
          },
          ...[400, 404],
        ),
      },
    },
    (request, reply) => {
      const { name } = request.params
      const { view = 'full' } = request.query
      const { services } = control
      const found = view === 'full' ? services.get(name) : services.declared(name)
      return sendRead(request, reply, control, found, view)
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
        querystring: WriteQuery,
        body: linked(VirtualServiceConfig),
        response: answers(
          {
            200: written('Replaced, or unchanged.', VirtualService),
            201: document('Created.', VirtualService),
          },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    async (request, reply) => {
      const { name } = request.params
      const plan = control.services.put(name, bodyOf(request), conditionsOf(request))
      return carryOut(control, request, reply, plan, `/v1/virtual-services/${name}`)
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
        querystring: WriteQuery,
        consumes: ['application/merge-patch+json', 'application/json'],
        body: MergePatch({ scheduler: 'wrr', realServers: { a: { weight: 5 } } }),
        response: answers(
          { 200: written('The virtual service as it is now.', VirtualService) },
          ...WRITE_PROBLEMS,
        ),
      },
    },
    async (request, reply) => {
      const { name } = request.params
      const plan = control.services.patch(name, bodyOf(request), conditionsOf(request))
      return carryOut(control, request, reply, plan, request.url)
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
        response: answers(deleted(), ...[400, 404, 412, 500, 503]),
      },
    },
    async (request, reply) => {
      const { missingOk = false } = request.query
      const { name } = request.params
      const plan = control.services.delete(name, conditionsOf(request), missingOk)
      return carryOut(control, request, reply, plan, request.url)
    },
  )
}
