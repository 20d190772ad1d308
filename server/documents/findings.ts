/** The faults of one document, and quickly: does this field, or anything in it, have one already? */
import type { Fault } from '../errors.js'

/** A document with more faults than this is not being mended one by one. */
export const FAULTS_MAX = 1000

export class Findings {
  readonly faults: Fault[] = []
  /** Pointers of all faults and of everything that contains them. */
  readonly #within = new Set<string>()

  constructor(faults: readonly Fault[] = []) {
    for (const fault of faults) this.add(fault)
  }

  get any(): boolean {
    return this.faults.length > 0
  }

  add(fault: Fault): void {
    if (this.faults.length < FAULTS_MAX) this.faults.push(fault)
    // What is only not supported yet is still a valid value that other fields are read against.
    if (fault.code === 'NOT_SUPPORTED_YET') return
    let pointer = fault.pointer ?? ''
    while (pointer !== '') {
      this.#within.add(pointer)
      pointer = pointer.slice(0, pointer.lastIndexOf('/'))
    }
  }

  isFaulty(pointer: string): boolean {
    return this.#within.has(pointer)
  }
}
