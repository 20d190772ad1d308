/** What is still open at real servers that are drained, or are going to be. */
import type { SharedMemory } from '../../dataplane/protocol.js'
import { endpointOf, keyOf, keyText } from '../documents/service-key.js'
import { readLive, type Live } from '../documents/status.js'
import type { Place } from '../maintenance/assignment.js'
import type { ConnectionSource } from './connections.js'
import type { RowTable } from './row-table.js'

/** `overConns`: of those that are not active, those that have ended at both ends. */
export type DrainLive = Live & { overConns: number }

export class DrainFigures {
  /** Of each worker. */
  readonly #dests: readonly Float64Array[]
  readonly #rows: RowTable
  readonly #connections: ConnectionSource

  constructor(memories: readonly SharedMemory[], rows: RowTable, connections: ConnectionSource) {
    this.#dests = memories.map(({ dests }) => new Float64Array(dests))
    this.#rows = rows
    this.#connections = connections
  }

  /** What the counters tell, without a look at connections. */
  countersOf(place: Place): Live {
    return readLive(this.#dests, this.#rowOf(place))
  }

  liveOf(place: Place): DrainLive {
    return this.allOf([place])[0]!
  }

  /** Of all of them, with one look at the connections. */
  allOf(places: readonly Place[]): DrainLive[] {
    const found = places.map(place => ({ row: this.#rowOf(place), live: this.countersOf(place) }))
    // Who is active is not over, so nobody needs to be counted until none is.
    const rows = found.flatMap(({ row, live }) =>
      row !== null && live.activeConns === 0 && live.inactConns > 0 ? [row] : [],
    )
    const counts = this.#connections.countOver(rows)
    return found.map(({ row, live }) => {
      const overConns = row === null ? 0 : (counts.get(row) ?? 0)
      return { ...live, overConns: Math.min(overConns, live.inactConns) }
    })
  }

  #rowOf({ service, server }: Place): number | null {
    return this.#rows.dest(keyText(keyOf(service)), endpointOf(server.config))
  }
}
