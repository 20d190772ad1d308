/** Counters and rates for /v1/stats, read from shared memory without a message to the worker. */
import { COUNTER_NAMES } from '../../dataplane/counters.js'
import { memoriesOf, type Dataplane } from '../dataplane/dataplane-client.js'
import { CONNS } from '../../dataplane/shared/memory.js'
import { readRows } from '../../dataplane/shared/statistics.js'
import type { ServiceRecord } from '../repo/records.js'
import type { RowTable } from './row-table.js'
import { readLive } from '../documents/status.js'
import { byName } from '../documents/views.js'
import { endpointOf, keyOf, keyText } from '../documents/service-key.js'

export class StatisticsReader {
  readonly #rows: RowTable
  /** Of each worker. */
  readonly #totals: Float64Array[]
  readonly #services: Float64Array[]
  readonly #dests: Float64Array[]
  readonly #counters: Float64Array[]
  readonly #controls: Int32Array[]

  constructor(dataplane: Dataplane, rows: RowTable) {
    const memories = memoriesOf(dataplane)
    this.#rows = rows
    this.#totals = memories.map(memory => new Float64Array(memory.totals))
    this.#services = memories.map(memory => new Float64Array(memory.services))
    this.#dests = memories.map(memory => new Float64Array(memory.dests))
    this.#counters = memories.map(memory => new Float64Array(memory.counters))
    this.#controls = memories.map(memory => new Int32Array(memory.control))
  }

  read(services: readonly ServiceRecord[], now: Date) {
    return {
      time: now.toISOString(),
      connections: total(this.#controls, control => Atomics.load(control, CONNS)),
      totals: readRows(this.#totals, 0),
      services: services.map(service => this.#service(service)),
      dataplane: Object.fromEntries(
        COUNTER_NAMES.map((name, i) => [name, total(this.#counters, counters => counters[i]!)]),
      ),
    }
  }

  #service(service: ServiceRecord) {
    const key = keyText(keyOf(service))
    const servers = [...service.servers].sort(byName).map(({ name, config }) => {
      const live = readLive(this.#dests, this.#rows.dest(key, endpointOf(config)))
      const { activeConns, inactConns, persistConns } = live
      return { name, ...live.statistics, activeConns, inactConns, persistConns }
    })
    const sum = (column: 'activeConns' | 'inactConns' | 'persistConns') =>
      servers.reduce((total, server) => total + server[column], 0)
    return {
      name: service.name,
      ...readLive(this.#services, this.#rows.service(key)).statistics,
      activeConns: sum('activeConns'),
      inactConns: sum('inactConns'),
      persistConns: sum('persistConns'),
      realServers: servers,
    }
  }
}

const total = <T>(each: readonly T[], of: (one: T) => number): number =>
  each.reduce((sum, one) => sum + of(one), 0)
