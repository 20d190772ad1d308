/** Counters and rates for /v1/stats, read from shared memory without a message to the worker. */
import { COUNTER_NAMES } from '../dataplane/counters.js'
import type { Dataplane } from './dataplane-client.js'
import { CONNS } from '../dataplane/shared/memory.js'
import { readRow } from '../dataplane/shared/statistics.js'
import { endpointOf } from './documents.js'
import { keyOf, keyText } from './plan.js'
import type { ServiceRecord } from './repo/records.js'
import type { RowTable } from './row-table.js'
import { readLive } from './status.js'
import { byName } from './views.js'

export class StatisticsReader {
  readonly #rows: RowTable
  readonly #totals: Float64Array
  readonly #services: Float64Array
  readonly #dests: Float64Array
  readonly #counters: Float64Array
  readonly #control: Int32Array

  constructor({ memory }: Dataplane, rows: RowTable) {
    this.#rows = rows
    this.#totals = new Float64Array(memory.totals)
    this.#services = new Float64Array(memory.services)
    this.#dests = new Float64Array(memory.dests)
    this.#counters = new Float64Array(memory.counters)
    this.#control = new Int32Array(memory.control)
  }

  read(services: readonly ServiceRecord[], now: Date) {
    return {
      time: now.toISOString(),
      connections: Atomics.load(this.#control, CONNS),
      totals: readRow(this.#totals, 0),
      services: services.map(service => this.#service(service)),
      dataplane: Object.fromEntries(COUNTER_NAMES.map((name, i) => [name, this.#counters[i]!])),
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
