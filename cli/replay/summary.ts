/** Sums up a replay. */
import { COUNTER_NAMES, type CounterName } from '../../dataplane/counters.js'
import type { SharedMemory } from '../../dataplane/protocol.js'
import { readRow, type Statistics } from '../../dataplane/shared/statistics.js'
import type { PacketEvent, SkipReason, SentPacket, Verdict } from './decision.js'
import { endpointText, type Directory } from './directory.js'

export interface ServerSummary {
  name: string
  endpoint: string
  forwarding: string
  weight: number
  statistics: Statistics
}

export interface ServiceSummary {
  name: string
  key: string
  scheduler: string
  statistics: Statistics
  servers: ServerSummary[]
}

export interface Summary {
  packetsIn: number
  skipped: Partial<Record<SkipReason, number>>
  verdicts: Partial<Record<Verdict, number>>
  packetsOut: number
  toHost: number
  dropped: Partial<Record<CounterName, number>>
  connections: { made: number; left: number }
  seconds: number
  services: ServiceSummary[]
}

export class Tally {
  #packetsIn = 0
  #packetsOut = 0
  #toHost = 0
  #made = 0
  #seconds = 0
  readonly #skipped: Summary['skipped'] = {}
  readonly #verdicts: Summary['verdicts'] = {}
  readonly #dropped: Summary['dropped'] = {}

  packet({ skipped, decision, sent, seconds }: PacketEvent): void {
    this.#packetsIn++
    this.#seconds = Math.max(this.#seconds, seconds)
    if (skipped !== null) count(this.#skipped, skipped.reason)
    if (decision !== null) {
      count(this.#verdicts, decision.verdict)
      for (const reason of decision.reasons) count(this.#dropped, reason)
      if (decision.scheduled) this.#made++
    }
    this.sent(sent)
  }

  sent(packets: readonly SentPacket[]): void {
    for (const { interfaceName } of packets) {
      if (interfaceName === null) this.#toHost++
      else this.#packetsOut++
    }
  }

  summary(directory: Directory, memory: SharedMemory, left: number): Summary {
    const services = new Float64Array(memory.services)
    const dests = new Float64Array(memory.dests)
    const inOrder = COUNTER_NAMES.filter(name => this.#dropped[name] !== undefined)
    return {
      packetsIn: this.#packetsIn,
      skipped: this.#skipped,
      verdicts: this.#verdicts,
      packetsOut: this.#packetsOut,
      toHost: this.#toHost,
      dropped: Object.fromEntries(inOrder.map(name => [name, this.#dropped[name]])),
      connections: { made: this.#made, left },
      seconds: this.#seconds,
      services: directory.services.map(({ row, servers }) => ({
        ...directory.service(row)!,
        statistics: readRow(services, row),
        servers: servers.map(server => ({
          name: server.value.name,
          endpoint: endpointText(server.value),
          forwarding: server.value.config.forwarding,
          weight: server.value.config.weight,
          statistics: readRow(dests, server.row),
        })),
      })),
    }
  }
}

function count<K extends string>(counts: Partial<Record<K, number>>, name: K): void {
  counts[name] = (counts[name] ?? 0) + 1
}
