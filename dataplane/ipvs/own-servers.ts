import type { NetworkView } from '../net/network.js'
import { FWD_MASK, LOCALNODE } from '../shared/conn-record.js'
import type { Dest } from './dest.js'

/** Rows looked at in one sweep: half a millisecond. */
const ROWS_PER_SWEEP = 8192

/**
 * Real servers that are this host itself, whose answers leave by its own stack; deleted ones in the
 * trash included. Each is looked at when it is configured, and all of them in turn, because the
 * host's addresses come and go: with a hundred thousand of them no turn of the loop can look at all.
 */
export class OwnServers {
  readonly #dests: readonly (Dest | undefined)[]
  readonly #network: NetworkView
  readonly #own = new Set<Dest>()
  #cursor = 0

  /** `dests`: by row, live. */
  constructor(dests: readonly (Dest | undefined)[], network: NetworkView) {
    this.#dests = dests
    this.#network = network
  }

  get any(): boolean {
    return this.#own.size > 0
  }

  /** After a change of it. */
  look(dest: Dest): void {
    if (this.#isOwn(dest)) this.#own.add(dest)
    else this.#own.delete(dest)
  }

  /** Its row is given up. */
  forget(dest: Dest): void {
    this.#own.delete(dest)
  }

  /** Looks at the next rows; all of them where they are few. */
  sweep(): void {
    const { length } = this.#dests
    for (let left = Math.min(ROWS_PER_SWEEP, length); left > 0; left--) {
      if (this.#cursor >= length) this.#cursor = 0
      const dest = this.#dests[this.#cursor++]
      if (dest !== undefined) this.look(dest)
    }
  }

  #isOwn({ connFlags, family, w0, w1, w2, w3 }: Dest): boolean {
    return (connFlags & FWD_MASK) === LOCALNODE || this.#network.isLocal(family, w0, w1, w2, w3)
  }
}
