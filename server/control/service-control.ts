/** Virtual services and real servers: reading them, and the plans of writing them. */
import type { Conditions } from '../http/conditions.js'
import { serverFields, serviceFieldsWhole } from '../documents/declared.js'
import type { Draft, State } from '../change/draft.js'
import { problemOf } from '../errors.js'
import type { Ground, Plan } from '../change/ground.js'
import { hasLabels, listPage, NAME_ORDER, passes, type Order, type Page } from '../http/paging.js'
import type { Paging, ServerFilter } from '../http/paging.js'
import type { ServerRecord, ServiceRecord } from '../repo/records.js'
import * as plans from '../change/service-plans.js'
import { serviceOf, serverOf } from '../change/service-plans.js'
import {
  byName,
  etagOf,
  type Resource,
  type ServerView,
  type ServiceView,
} from '../documents/views.js'
import type { Views } from '../documents/views.js'

/** Filters of a list; an absent one lets everything through. */
export interface ServiceFilter {
  protocol?: string | undefined
  address?: string | undefined
  port?: number | undefined
  fwmark?: number | undefined
  scheduler?: string | undefined
  interface?: string | undefined
}

const SERVICE_ORDERS = {
  name: NAME_ORDER,
  activeConnections: (view: ServiceView) => view.status.activeConns,
  inactiveConnections: (view: ServiceView) => view.status.inactConns,
  updatedAt: (view: ServiceView) => view.meta.updatedAt,
  createdAt: (view: ServiceView) => view.meta.createdAt,
  position: (view: ServiceView) => view.meta.position,
} satisfies Record<string, Order<ServiceView>>

const SERVER_ORDERS = {
  name: NAME_ORDER,
  activeConnections: (view: ServerView) => view.status.activeConns,
  inactiveConnections: (view: ServerView) => view.status.inactConns,
  weight: (view: ServerView) => view.weight,
  updatedAt: (view: ServerView) => view.meta.updatedAt,
  createdAt: (view: ServerView) => view.meta.createdAt,
  position: (view: ServerView) => view.meta.position,
} satisfies Record<string, Order<ServerView>>

export class ServiceControl {
  readonly #state: State
  readonly #views: Views

  constructor(state: State, views: Views) {
    this.#state = state
    this.#views = views
  }

  get(name: string): Resource<ServiceView> {
    return this.#resource(serviceOf(this.#state, name))
  }

  declared(name: string) {
    const service = serviceOf(this.#state, name)
    return { view: { name, ...serviceFieldsWhole(service, 'declared') }, etag: etagOf(service) }
  }

  list(filter: ServiceFilter, paging: Paging): Page<ServiceView> {
    const wanted = Object.entries(filter).filter(([, value]) => value !== undefined)
    const names = this.#state.names()
    const passing = (name: string): ServiceRecord | null => {
      const service = this.#state.service(name)!
      const config: object = service.config
      const has = ([key, value]: [string, unknown]) =>
        Reflect.get(config, key) === value && Object.hasOwn(config, key)
      return wanted.every(has) && hasLabels(service.config.labels, paging.labels) ? service : null
    }
    return listPage(names, passing, paging, SERVICE_ORDERS, each => this.#views.service(each))
  }

  /** As `list`, without defaults. */
  declaredList(filter: ServiceFilter, paging: Paging) {
    const { items, nextCursor } = this.list(filter, paging)
    return { items: items.map(({ name }) => this.declared(name).view), nextCursor }
  }

  getServer(name: string, server: string): Resource<ServerView> {
    const service = serviceOf(this.#state, name)
    return this.#serverResource(service, serverOf(service, server))
  }

  declaredServer(name: string, server: string) {
    const service = serviceOf(this.#state, name)
    const record = serverOf(service, server)
    const view = { name: server, ...serverFields(service, record, 'declared') }
    return { view, etag: etagOf(record) }
  }

  listServers(name: string, filter: ServerFilter, paging: Paging): Page<ServerView> {
    const service = serviceOf(this.#state, name)
    const servers = new Map(service.servers.map(server => [server.name, server]))
    const passing = (server: string): ServerRecord | null => {
      const record = servers.get(server)!
      return passes(record, filter, paging.labels) ? record : null
    }
    const view = (record: ServerRecord) => this.#views.server(service, record)
    return listPage([...servers.keys()].sort(), passing, paging, SERVER_ORDERS, view)
  }

  /** Of the set of its real servers, which moves whenever one of them does. */
  serversTag = (name: string): string => etagOf(serviceOf(this.#state, name))

  declaredServers(name: string, filter: ServerFilter, paging: Paging) {
    const { items, nextCursor } = this.listServers(name, filter, paging)
    return { items: items.map(each => this.declaredServer(name, each.name).view), nextCursor }
  }

  put(name: string, body: unknown, wanted: Conditions): Plan<Resource<ServiceView>> {
    return ground => {
      const created = ground.draft.service(name) === null
      return this.#planned(ground, plans.putService(ground, name, body, wanted), created)
    }
  }

  patch(name: string, patch: unknown, wanted: Conditions): Plan<Resource<ServiceView>> {
    return ground => this.#planned(ground, plans.patchService(ground, name, patch, wanted))
  }

  delete(name: string, wanted: Conditions, missingOk: boolean): Plan<null> {
    return ground => {
      const before = plans.deleteService(ground, name, wanted)
      const missing = before === null && !missingOk
      return {
        ...{ status: 204, about: name, body: () => null },
        ...(missing ? { problem: plans.serviceNotFound(name) } : {}),
      }
    }
  }

  putServer(
    name: string,
    server: string,
    body: unknown,
    wanted: Conditions,
  ): Plan<Resource<ServerView>> {
    return ({ ...ground }) => {
      const before = ground.draft.service(name)
      const created = before?.servers.every(each => each.name !== server) === true
      const after = plans.putServer(ground, name, server, body, wanted)
      return this.#plannedServer(ground, after, server, created)
    }
  }

  patchServer(
    name: string,
    server: string,
    patch: unknown,
    wanted: Conditions,
  ): Plan<Resource<ServerView>> {
    return ground => {
      const after = plans.patchServer(ground, name, server, patch, wanted)
      return this.#plannedServer(ground, after, server, false)
    }
  }

  deleteServer(name: string, server: string, wanted: Conditions, missingOk: boolean): Plan<null> {
    return ground => {
      const before = plans.deleteServer(ground, name, server, wanted)
      const missing = before === null && !missingOk
      return {
        ...{ status: 204, about: name, body: () => null },
        ...(missing ? { problem: plans.serverNotFound(name, server) } : {}),
      }
    }
  }

  /** The collection's tag is that of the service, whose document holds the set. */
  putServers(
    name: string,
    body: unknown,
    mode: 'replace' | 'merge',
    wanted: Conditions,
  ): Plan<Resource<Page<ServerView>>> {
    return ground => {
      const service = plans.putServers(ground, name, body, mode, wanted)
      const places = placesOf(body)
      checkServers(ground.draft, service, server => places.get(server) ?? null)
      const items = () => {
        const after = amended(ground, service)
        return [...after.servers].sort(byName).map(each => this.#views.server(after, each))
      }
      const etag = etagOf(service)
      return {
        ...{ status: 200, about: name },
        body: () => ({ view: { items: items(), nextCursor: null }, etag }),
      }
    }
  }

  #planned(ground: Ground, service: ServiceRecord, created = false) {
    const faults = plans.serviceFaults(ground.draft, service)
    if (faults.length > 0) throw problemOf(faults)
    return {
      status: created ? (201 as const) : (200 as const),
      about: service.name,
      body: () => this.#resource(amended(ground, service)),
    }
  }

  #plannedServer(ground: Ground, service: ServiceRecord, server: string, created: boolean) {
    checkServers(ground.draft, service, name => (name === server ? '' : null))
    return {
      status: created ? (201 as const) : (200 as const),
      about: service.name,
      body: () => {
        const after = amended(ground, service)
        return this.#serverResource(after, serverOf(after, server))
      },
    }
  }

  #resource(service: ServiceRecord): Resource<ServiceView> {
    return { view: this.#views.service(service), etag: etagOf(service) }
  }

  #serverResource(service: ServiceRecord, server: ServerRecord): Resource<ServerView> {
    return { view: this.#views.server(service, server), etag: etagOf(server) }
  }
}

/** A drain may have come to what was planned. */
const amended = ({ draft }: Ground, planned: ServiceRecord): ServiceRecord =>
  draft.service(planned.name) ?? planned

/** Faults of real servers where they stand in the document; `pointerOf` null: they are not in it. */
function checkServers(
  draft: Draft,
  service: ServiceRecord,
  pointerOf: (server: string) => string | null,
): void {
  const faults = plans.serverFaults(draft, service, pointerOf)
  if (faults.length > 0) throw problemOf(faults)
}

/** Where each item of a set that has been read stands. */
function placesOf(body: unknown): ReadonlyMap<string, string> {
  const { items } = body as { items: { name: string }[] }
  return new Map(items.map(({ name }, i) => [name, `/items/${i}`]))
}
