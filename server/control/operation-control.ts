/** What goes on after its request was answered: changes that wait to be confirmed, and drains. */
import type { Confirmations } from '../change/confirmations.js'
import type { Origin } from '../change/commit.js'
import { DRAIN } from '../change/drain-ledger.js'
import { Problem } from '../errors.js'
import { decodeCursor, encodeCursor, type Page } from '../http/paging.js'
import type { OperationFilter, OperationRecord, OperationRepo } from '../repo/operations.js'
import type { DrainControl } from './drain-control.js'

export interface OperationOptions {
  operations: OperationRepo
  confirmations: Confirmations
  drains: DrainControl
}

/** A moment and an id. */
const CURSOR = /^\["[0-9TZ:.-]{20,30}","[0-9a-z-]{1,64}"\]$/

export class OperationControl {
  readonly #o: OperationOptions

  constructor(options: OperationOptions) {
    this.#o = options
  }

  /** Newest first. */
  list(filter: OperationFilter, limit: number, cursor: string | undefined): Page<object> {
    const place = decodeCursor(cursor, CURSOR, '')
    const [createdAt, id] = place === '' ? ['~', ''] : (JSON.parse(place) as [string, string])
    const found = this.#o.operations.page(filter, { createdAt, id }, limit + 1)
    const items = found.slice(0, limit)
    const last = found.length > limit ? items.at(-1)! : null
    return {
      items: items.map(each => this.#view(each)),
      nextCursor: last === null ? null : encodeCursor(JSON.stringify([last.createdAt, last.id])),
    }
  }

  get(id: string): object {
    return this.#view(this.#o.confirmations.get(id))
  }

  kindOf(id: string): string {
    return this.#o.confirmations.get(id).kind
  }

  /** Idempotent. */
  confirm(id: string): object {
    const { kind } = this.#o.confirmations.get(id)
    if (kind === DRAIN) {
      const detail = 'It is a drain: there is nothing to confirm. It can be cancelled.'
      throw new Problem('NOT_CONFIRMABLE', detail)
    }
    return this.#view(this.#o.confirmations.confirm(id))
  }

  /** Takes a change back, or gives a real server connections again. */
  async cancel(id: string, origin: Origin): Promise<object> {
    const { confirmations } = this.#o
    const operation = confirmations.get(id)
    if (operation.kind !== DRAIN) return this.#view(await confirmations.cancel(id, origin))
    if (operation.endedAt === null) {
      const { service, server } = drainOf(operation)
      await this.#o.drains.cancelIfCurrent(service, server, id, origin)
    }
    const now = confirmations.get(id)
    if (now.state === 'cancelled') return this.#view(now)
    const { service, server } = drainOf(operation)
    const detail =
      `It has ended (${now.state}). ${now.detail} DELETE ` +
      `/v1/virtual-services/${service}/real-servers/${server}/drain lets new connections in again.`
    throw new Problem('OPERATION_ENDED', detail)
  }

  /** What only its kind has stands beside what all have. */
  #view(operation: OperationRecord): object {
    const { document, ...common } = operation
    if (common.kind !== DRAIN || common.endedAt !== null) return { ...common, ...document }
    const { service, server } = drainOf(operation)
    return { ...common, ...document, progress: this.#o.drains.progressOf(service, server) }
  }
}

const drainOf = ({ document }: OperationRecord) => ({
  service: String(document.virtualService),
  server: String(document.realServer),
})
