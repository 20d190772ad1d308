/**
 * Counters, rates and connections of every virtual service and real server, by their configured
 * names. This is nearly all of /metrics: a thousand services of four servers are a hundred thousand
 * lines. Values are read where the dataplane writes them, in shared memory, without a message;
 * labels are made once for a record and kept with it.
 */
import type { SharedMemory } from '../../dataplane/protocol.js'
import { Col, STRIDE } from '../../dataplane/shared/statistics.js'
import { deriveWeight } from '../documents/effective-weight.js'
import type { HealthBook, HealthState } from '../health/health-book.js'
import type { ServerRecord, ServiceRecord } from '../repo/records.js'
import type { StandingSource } from '../change/plan.js'
import type { RowTable } from '../live/row-table.js'
import { endpointOf, keyOf, keyText } from '../documents/service-key.js'
import { labelsText, type Exposition, type Family } from './exposition.js'
import { textOf, type Text } from './octet-writer.js'
import { SERVER_FAMILIES, SERVICE_FAMILIES, TRAFFIC, type Traffic } from './service-families.js'

export interface ServiceMetricsOptions {
  memories: readonly SharedMemory[]
  rows: RowTable
  services: () => Iterable<ServiceRecord>
  /** Why host or dataplane do not have a service; null when they do. */
  troubleOf: (service: string) => string | null
  health: HealthBook
  standings: StandingSource
}

/** A real server as it is told. `row` 0 is nobody's and stays zero. */
interface Server {
  labels: Text
  row: number
  record: ServerRecord
  text: ServerText
  service: string
  weight: number
}
interface Service {
  labels: Text
  row: number
  record: ServiceRecord
  servers: Server[]
  /** It is in the dataplane, and the host is ready for it. */
  inForce: boolean
}

/** What is made of a record once. */
interface ServiceText {
  labels: Text
  info: Text
  key: string
  servers: Map<ServerRecord, ServerText>
}
interface ServerText {
  labels: Text
  info: Text
  /** By state. */
  health: (state: HealthState) => Text
  endpoint: string
}

export class ServiceMetrics {
  readonly #o: ServiceMetricsOptions
  /** Of each worker. */
  readonly #services: Float64Array[]
  readonly #dests: Float64Array[]
  /** Records are replaced, never changed. */
  readonly #texts = new WeakMap<ServiceRecord, ServiceText>()

  constructor(options: ServiceMetricsOptions) {
    this.#o = options
    this.#services = options.memories.map(memory => new Float64Array(memory.services))
    this.#dests = options.memories.map(memory => new Float64Array(memory.dests))
  }

  collect = (out: Exposition): void => {
    const services = this.#read()
    const servers = services.flatMap(service => service.servers)
    this.#describe(out, services)
    for (const traffic of TRAFFIC) {
      tell(out, 'service', traffic, this.#services, services)
      tell(out, 'real_server', traffic, this.#dests, servers)
    }
    this.#connections(out, services, servers)
    this.#servers(out, servers)
    this.#health(out, servers)
    this.#drains(out, servers)
  }

  #read(): Service[] {
    const { troubleOf, standings } = this.#o
    const records = [...this.#o.services()].sort((a, b) => (a.name < b.name ? -1 : 1))
    return records.map(record => {
      const standing = standings.of(record)
      const text = this.#textOf(record)
      const rows = this.#o.rows.entry(text.key)
      const servers = record.servers.map(server => {
        const own = text.servers.get(server)!
        const at = rows?.dests.get(own.endpoint) ?? 0
        const stands = { ...server, standing: standing.servers.get(server.name) }
        const { weight } = deriveWeight(stands, standings.nowMs)
        const { labels } = own
        return { labels, text: own, row: at, record: server, service: record.name, weight }
      })
      const inForce = rows !== null && troubleOf(record.name) === null
      return { labels: text.labels, row: rows?.row ?? 0, record, servers, inForce }
    })
  }

  #describe(out: Exposition, services: readonly Service[]): void {
    const texts = services.map(({ record }) => this.#textOf(record))
    const one = () => 1
    list(
      ...([out, SERVICE_FAMILIES.info] as const),
      texts.map(({ info }) => ({ labels: info })),
      one,
    )
    list(
      ...([out, SERVER_FAMILIES.info] as const),
      texts.flatMap(({ servers }) => [...servers.values()].map(({ info }) => ({ labels: info }))),
      one,
    )
    list(out, SERVICE_FAMILIES.inForce, services, ({ inForce }) => (inForce ? 1 : 0))
    list(out, SERVICE_FAMILIES.servers, services, ({ servers }) => servers.length)
    list(out, SERVICE_FAMILIES.usable, services, ({ servers }) =>
      servers.reduce((sum, { row, weight }) => sum + (row > 0 && weight > 0 ? 1 : 0), 0),
    )
  }

  #connections(out: Exposition, services: readonly Service[], servers: readonly Server[]): void {
    for (const name of ['active', 'inactive', 'persistent'] as const) {
      const column = { active: 'activeConns', inactive: 'inactConns', persistent: 'persistConns' }
      const at = Col[column[name] as 'activeConns' | 'inactConns' | 'persistConns']
      list(out, SERVICE_FAMILIES[name], services, service =>
        service.servers.reduce((sum, { row }) => sum + total(this.#dests, row, at), 0),
      )
      list(out, SERVER_FAMILIES[name], servers, ({ row }) => total(this.#dests, row, at))
    }
  }

  #servers(out: Exposition, servers: readonly Server[]): void {
    list(out, SERVER_FAMILIES.weight, servers, ({ record }) => record.config.weight)
    list(out, SERVER_FAMILIES.effectiveWeight, servers, ({ weight }) => weight)
    list(out, SERVER_FAMILIES.overloaded, servers, ({ row }) =>
      total(this.#dests, row, Col.overloaded) === 0 ? 0 : 1,
    )
  }

  /** Of those that have checks; the others have no health that anybody could tell. */
  #health(out: Exposition, servers: readonly Server[]): void {
    const known = servers.flatMap(({ labels, service, text, record }) => {
      const health = this.#o.health.get(service, record.name)
      return health === undefined ? [] : [{ labels, text, ...health }]
    })
    const each = STATES.flatMap(state =>
      known.map(one => ({ labels: one.text.health(state), is: one.state === state ? 1 : 0 })),
    )
    list(out, SERVER_FAMILIES.health, each, ({ is }) => is)
    list(out, SERVER_FAMILIES.healthSince, known, ({ since }) => Date.parse(since) / 1000)
  }

  #drains(out: Exposition, servers: readonly Server[]): void {
    const drained = servers.filter(({ record }) => record.drain !== undefined)
    list(out, SERVER_FAMILIES.drain, drained, ({ record }) =>
      record.drain!.endedAt === null ? 1 : 0,
    )
    list(
      out,
      SERVER_FAMILIES.drainDeadline,
      drained,
      ({ record }) => Date.parse(record.drain!.deadlineAt) / 1000,
    )
  }

  #textOf(record: ServiceRecord): ServiceText {
    const known = this.#texts.get(record)
    if (known !== undefined) return known
    const { name: service, config } = record
    const { address = '', port, protocol = '', fwmark, scheduler } = config
    const place = {
      ...{ address, port: String(port ?? ''), protocol, scheduler },
      fwmark: String(fwmark ?? ''),
    }
    const servers = record.servers.map(server => {
      const { address, port, forwarding } = server.config
      const labels = { service, real_server: server.name }
      const more = { ...labels, address, port: String(port), forwarding }
      const text = {
        ...{ labels: labelled(labels), info: labelled(more), endpoint: endpointOf(server.config) },
        health: inEachState(state => labelled({ ...labels, state })),
      }
      return [server, text] as const
    })
    const made = {
      labels: labelled({ service }),
      info: labelled({ service, ...place }),
      key: keyText(keyOf(record)),
      servers: new Map(servers),
    }
    this.#texts.set(record, made)
    return made
  }
}

interface Labelled {
  /** With the blank behind them. */
  labels: Text
}

const STATES: readonly HealthState[] = ['up', 'down', 'unknown']
const labelled = (labels: Readonly<Record<string, string>>) => textOf(`${labelsText(labels)} `)

function list<T extends Labelled>(
  out: Exposition,
  family: Family,
  all: readonly T[],
  of: (one: T) => number,
): void {
  const name = textOf(out.family(family))
  for (const one of all) out.sample(name, one.labels, of(one))
}

function tell(
  out: Exposition,
  whose: 'service' | 'real_server',
  { name, type, help, column }: Traffic,
  memories: readonly Float64Array[],
  all: readonly (Labelled & { row: number })[],
): void {
  const sample = textOf(out.family({ name: `sluice_${whose}_${name}`, type, help }))
  const first = memories[0]!
  const alone = memories.length === 1
  for (const { labels, row } of all) {
    const value = alone ? first[row * STRIDE + column]! : total(memories, row, column)
    out.sample(sample, labels, value)
  }
}

function total(memories: readonly Float64Array[], row: number, column: number): number {
  let sum = 0
  for (const memory of memories) sum += memory[row * STRIDE + column]!
  return sum
}

/** Made when it is first asked for: most servers may have no checks. */
function inEachState(make: (state: HealthState) => Text): (state: HealthState) => Text {
  const made: Partial<Record<HealthState, Text>> = {}
  return state => (made[state] ??= make(state))
}
