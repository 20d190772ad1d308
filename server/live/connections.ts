/** Connections as the API lists them: read straight from the slab, with names put to addresses. */
import type { SharedMemory } from '../../dataplane/protocol.js'
import { ConnReader, type ConnFilter, type ConnPage } from '../../dataplane/shared/conn-reader.js'
import type { ConnRecord } from '../../dataplane/shared/conn-reader.js'
import type { Directory } from '../dataplane/directory.js'
import { Problem } from '../errors.js'
import { parseAddress, parsePrefix } from '../ip-address.js'
import type { ServiceRecord } from '../repo/records.js'
import type { RowTable } from './row-table.js'
import { endpointOf, keyOf, keyText } from '../documents/service-key.js'

export type ConnectionFilter = ConnFilter
export type ConnectionPage = ConnPage
export type ConnectionRecord = ConnRecord

/** One call looks at a bounded number of records: a page may be short and still have a next one. */
export interface ConnectionSource {
  scan(cursor: number, limit: number, filter: ConnectionFilter): ConnectionPage
  /** Connections of real servers, by row, that are over and only wait to be forgotten. */
  countOver(destRows: readonly number[]): ReadonlyMap<number, number>
}

/** Cursors of one worker after another: above every connection number (CONNS_MAX). */
const NEXT_WORKER = 2 ** 28

export class SharedConnections implements ConnectionSource {
  readonly #readers: readonly ConnReader[]
  constructor(...memories: readonly SharedMemory[]) {
    this.#readers = memories.map(m => new ConnReader(m.conns, m.control, m.engineData))
  }
  scan(cursor: number, limit: number, filter: ConnectionFilter): ConnectionPage {
    const worker = Math.floor(cursor / NEXT_WORKER)
    const reader = this.#readers[worker]
    if (reader === undefined) return { items: [], nextCursor: null }
    const { items, nextCursor } = reader.scan(cursor % NEXT_WORKER, limit, filter)
    if (nextCursor !== null) return { items, nextCursor: worker * NEXT_WORKER + nextCursor }
    const isLast = worker + 1 >= this.#readers.length
    return { items, nextCursor: isLast ? null : (worker + 1) * NEXT_WORKER }
  }
  countOver(destRows: readonly number[]): ReadonlyMap<number, number> {
    const counts = new Map(destRows.map(row => [row, 0]))
    // It looks at every connection there is.
    if (counts.size > 0) for (const reader of this.#readers) reader.countOver(counts)
    return counts
  }
}

export interface ConnectionQuery {
  service?: string
  client?: string
  realServer?: string
  state?: string
  protocol?: string
  kind?: 'all' | 'connection' | 'template'
}

/** A filter that lets little through must not hold up everybody else. */
const BUDGET_MS = 20

export class ConnectionLister {
  readonly #source: ConnectionSource
  readonly #rows: RowTable
  readonly #directory: Directory
  readonly #get: (name: string) => ServiceRecord | null

  constructor(
    source: ConnectionSource,
    rows: RowTable,
    directory: Directory,
    get: (name: string) => ServiceRecord | null,
  ) {
    this.#source = source
    this.#rows = rows
    this.#directory = directory
    this.#get = get
  }

  list(query: ConnectionQuery, limit: number, start: number) {
    const search = this.#search(query)
    if (search === null) return { items: [], nextCursor: null }
    const items: ReturnType<ConnectionLister['named']>[] = []
    const stopMs = performance.now() + BUDGET_MS
    let cursor: number | null = start
    while (cursor !== null && items.length < limit && performance.now() < stopMs) {
      const page: ConnectionPage = this.#source.scan(cursor, limit - items.length, search.filter)
      items.push(...page.items.map(record => this.named(record)).filter(search.accepts))
      cursor = page.nextCursor
    }
    return { items, nextCursor: cursor }
  }

  /** With the names that were configured; null for what is no longer there. */
  named(record: ConnectionRecord) {
    const owner = this.#rows.owner(record.destRow)
    const service =
      owner === null ? this.#serviceOf(record) : this.#directory.serviceName(owner.service)
    const endpoint = owner?.endpoint ?? endpointOf(record.realServer)
    const name = service === null ? null : this.#directory.serverName(service, endpoint)
    const { protocol, client, forwarding, state, expiresInSeconds, inPkts, template } = record
    return {
      service,
      protocol,
      fwmark: record.fwmark === 0 ? null : record.fwmark,
      client,
      virtual: record.virtual,
      realServer: { name, ...record.realServer },
      forwarding,
      state,
      expiresInSeconds,
      inPkts,
      template,
      engine: record.engine ?? null,
    }
  }

  /** By what it goes to, when its real server is no longer there. */
  #serviceOf({ family, fwmark, protocol, virtual }: ConnectionRecord): string | null {
    const name = (key: string) => this.#directory.serviceName(key)
    if (fwmark !== 0) return name(keyText({ family, fwmark }))
    return (
      name(`${protocol} ${endpointOf(virtual)}`) ??
      name(`${protocol} ${endpointOf({ address: virtual.address, port: 0 })}`)
    )
  }

  /** Null when nothing can match. */
  #search(query: ConnectionQuery) {
    const filter: ConnectionFilter = {
      ...(query.protocol === undefined ? {} : { protocol: query.protocol }),
      ...(query.state === undefined ? {} : { state: query.state }),
      ...(query.kind === undefined || query.kind === 'all'
        ? {}
        : { template: query.kind === 'template' }),
    }
    const tests: ((item: ReturnType<ConnectionLister['named']>) => boolean)[] = []
    if (query.client !== undefined) {
      filter.client = parseFlow('client', query.client)
    }
    const service = query.service === undefined ? null : this.#get(query.service)
    if (query.service !== undefined) {
      if (service === null) return null
      const { protocol, address, port, fwmark } = service.config
      if (fwmark !== undefined) filter.fwmark = fwmark
      if (protocol !== undefined) {
        if (filter.protocol !== undefined && filter.protocol !== protocol) return null
        filter.protocol = protocol
        // A service of port 0 has connections on every port, one of FTP on many.
        const any = port === 0 || this.#directory.isFtp(keyOf(service))
        filter.virtual = { address: address!, ...(any ? {} : { port: port! }) }
      }
      tests.push(item => item.service === service.name)
    }
    if (query.realServer !== undefined) {
      const test = this.#realServer(query.realServer, service, filter)
      if (test === null) return null
      tests.push(test)
    }
    const accepts = (item: ReturnType<ConnectionLister['named']>) => tests.every(test => test(item))
    return { filter, accepts }
  }

  /** By name within a service, or by address and port anywhere. */
  #realServer(text: string, service: ServiceRecord | null, filter: ConnectionFilter) {
    if (/[.:]/.test(text)) {
      filter.realServer = parseFlow('realServer', text)
      return () => true
    }
    if (service === null) {
      throw badParameter('realServer', `'${text}' is a name, which needs 'service' beside it.`)
    }
    const server = service.servers.find(each => each.name === text)
    if (server === undefined) return null
    const row = this.#rows.dest(keyText(keyOf(service)), endpointOf(server.config))
    if (row !== null) filter.destRow = row
    return (item: ReturnType<ConnectionLister['named']>) => item.realServer.name === text
  }
}

export function badParameter(parameter: string, detail: string): Problem {
  return new Problem('INVALID_PARAMETER', detail, {
    errors: [{ parameter, code: 'INVALID_PARAMETER', detail }],
  })
}

/** `192.0.2.1`, `192.0.2.0/24`, `192.0.2.1:80`, `2001:db8::1`, `2001:db8::/32`, `[2001:db8::1]:80`. */
export function parseFlow(parameter: string, text: string): { address: string; port?: number } {
  const prefix = parsePrefix(text)
  if (prefix !== null) return { address: prefix.text }
  const match = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(text)
  const address = parseAddress(match?.[1] ?? match?.[2] ?? '')
  const port = match?.[3] === undefined ? undefined : Number(match[3])
  if (address === null || (port ?? 0) > 65535) {
    const detail = `'${text.slice(0, 64)}' is not an address, a prefix or address:port.`
    throw badParameter(parameter, detail)
  }
  return { address: address.text, ...(port === undefined ? {} : { port }) }
}
