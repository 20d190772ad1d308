/**
 * Where statistics stand in shared memory: rows by service key and endpoint, as the dataplane
 * answered them. Kept while a worker is away, so that its successor goes on counting.
 */
import type { DestKey, Op, ServiceKey, ServiceRows } from '../../dataplane/protocol.js'
import { endpointOf, keyText } from '../documents/service-key.js'

interface Entry {
  row: number
  dests: Map<string, number>
}

/** The endpoint that a row belongs to. */
export interface DestOwner {
  service: string
  endpoint: string
}

export class RowTable {
  #entries = new Map<string, Entry>()
  #owners = new Map<number, DestOwner>()

  service(key: string): number | null {
    return this.#entries.get(key)?.row ?? null
  }

  dest(key: string, endpoint: string): number | null {
    return this.#entries.get(key)?.dests.get(endpoint) ?? null
  }

  /** Of one service, for those who go through all of them; null: the dataplane does not have it. */
  entry(key: string): { row: number; dests: ReadonlyMap<string, number> } | null {
    return this.#entries.get(key) ?? null
  }

  owner(destRow: number): DestOwner | null {
    return this.#owners.get(destRow) ?? null
  }

  /** After an op was carried out and answered with that row, 0 for none. */
  applied(op: Op, row: number): void {
    if (op.op === 'addService' || op.op === 'editService') {
      const key = keyText(op.service.key)
      const dests = this.#entries.get(key)?.dests ?? new Map<string, number>()
      this.#entries.set(key, { row, dests })
    } else if (op.op === 'addDest' || op.op === 'editDest') {
      this.#setDest(op.key, op.dest, row)
    } else if (op.op === 'delDest') {
      this.#deleteDest(keyText(op.key), endpointOf(op.dest))
    } else if (op.op === 'delService') {
      this.#deleteService(keyText(op.key))
    }
  }

  /** After a restore: what is not in `services` is no more. */
  restored(services: readonly { key: ServiceKey; rows: ServiceRows }[]): void {
    this.#entries = new Map()
    this.#owners = new Map()
    for (const { key, rows } of services) {
      this.#entries.set(keyText(key), { row: rows.row, dests: new Map() })
      for (const dest of rows.dests) this.#setDest(key, dest, dest.row)
    }
  }

  #setDest(key: ServiceKey, dest: DestKey, row: number): void {
    const text = keyText(key)
    const endpoint = endpointOf(dest)
    this.#entries.get(text)?.dests.set(endpoint, row)
    this.#owners.set(row, { service: text, endpoint })
  }

  #deleteDest(key: string, endpoint: string): void {
    const dests = this.#entries.get(key)?.dests
    const row = dests?.get(endpoint)
    if (row === undefined) return
    dests!.delete(endpoint)
    this.#owners.delete(row)
  }

  #deleteService(key: string): void {
    for (const endpoint of this.#entries.get(key)?.dests.keys() ?? [])
      this.#deleteDest(key, endpoint)
    this.#entries.delete(key)
  }
}
