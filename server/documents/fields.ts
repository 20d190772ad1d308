/** The fields of a document that has been checked against its schema, each fault reported once. */
import { escapePointer } from '../errors.js'
import type { FaultCode } from '../faults.js'
import type { Findings } from './findings.js'
import { isObject, quote } from '../schemas/walk.js'

/** Reads fields that have no fault of their own. */
export class Fields {
  readonly body: Record<string, unknown>
  readonly #pointer: string
  readonly #found: Findings

  constructor(body: Record<string, unknown>, pointer: string, found: Findings) {
    this.body = body
    this.#pointer = pointer
    this.#found = found
  }

  /** The field as the schema says it is; undefined when absent or faulty. */
  get<T>(name: string): T | undefined {
    return this.has(name) && !this.isFaulty(name) ? (this.body[name] as T) : undefined
  }

  optional<K extends string, T>(name: K): { [P in K]?: T } {
    const value = this.get<T>(name)
    return value === undefined ? {} : ({ [name]: value } as { [P in K]?: T })
  }

  has(name: string): boolean {
    return Object.hasOwn(this.body, name)
  }

  isFaulty(name: string): boolean {
    return this.#found.any && this.#found.isFaulty(`${this.#pointer}/${escapePointer(name)}`)
  }

  /** A member that is an object itself. */
  inner(name: string): Fields | null {
    const value = this.has(name) ? this.body[name] : undefined
    return isObject(value) ? new Fields(value, `${this.#pointer}/${name}`, this.#found) : null
  }

  fault(name: string, code: FaultCode, detail: string, hint?: string): void {
    const pointer = `${this.#pointer}/${escapePointer(name)}`
    this.#found.add({ pointer, code, detail, ...(hint === undefined ? {} : { hint }) })
  }
}

/** A document may repeat the name that its path has. */
export function checkName(fields: Fields, name: string): void {
  const given = fields.get<string>('name')
  if (given === undefined || given === name) return
  const detail = `The document is called ${quote(given)}, the path says '${name}'.`
  fields.fault('name', 'CONFLICTING_FIELDS', detail, 'A name cannot be changed; leave it out.')
}

/** In one order, so that two equal sets of labels are equal texts. */
export function sortedLabels(labels: unknown): Record<string, string> {
  const entries = Object.entries((labels ?? {}) as Record<string, string>)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}
