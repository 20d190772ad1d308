/** Link addresses of neighbours, as the kernel's ARP and ND found them (RFC 826, RFC 4861). */

/** Neighbour states (include/uapi/linux/neighbour.h). */
export const NUD_REACHABLE = 0x02
export const NUD_STALE = 0x04
export const NUD_DELAY = 0x08
export const NUD_PROBE = 0x10
export const NUD_NOARP = 0x40
export const NUD_PERMANENT = 0x80
const USABLE = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_NOARP | NUD_PERMANENT

/** Above the kernel's own gc_thresh3 as anybody sets it; beyond, packets go through the kernel. */
export const NEIGHBOURS_MAX = 1 << 16

export interface NeighbourAddress {
  readonly ifIndex: number
  readonly family: number
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
}

/** A neighbour that frames can be sent to. */
export interface Neighbour extends NeighbourAddress {
  macHigh: number
  macLow: number
  state: number
  stamp: number
  /** The network epoch in which it was last resolved to. */
  usedEpoch: number
}

const WANTED_BITS = 1 << 16

export function hashNeighbour(ifIndex: number, w0: number, w1: number, w2: number, w3: number) {
  let h = Math.imul(ifIndex ^ w0, 0x9e3779b1)
  h = Math.imul(h ^ (h >>> 15) ^ w1, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13) ^ w2, 0xc2b2ae35)
  h = Math.imul(h ^ (h >>> 16) ^ w3, 0x27d4eb2f)
  return h ^ (h >>> 15)
}

export class Neighbours {
  readonly neighboursMax: number
  readonly #table = new Map<number, Neighbour[]>()
  /**
   * Which absent neighbours were asked for, as a set of hashes: their arrival matters to somebody.
   * Two that share a bit cost one needless new generation.
   */
  readonly #wanted = new Uint8Array(WANTED_BITS >>> 3)
  #count = 0
  #stamp = 0
  /** Where the last look for stale ones stopped. */
  #walk: Iterator<Neighbour[]> | null = null

  constructor(neighboursMax = NEIGHBOURS_MAX) {
    this.neighboursMax = neighboursMax
  }

  get count(): number {
    return this.#count
  }

  /** Null while it is unknown or unusable. */
  get(
    ifIndex: number,
    family: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
  ): Neighbour | null {
    const chain = this.#table.get(hashNeighbour(ifIndex, w0, w1, w2, w3))
    if (chain === undefined) return null
    for (let i = 0; i < chain.length; i++) {
      const n = chain[i]!
      if (n.ifIndex !== ifIndex || n.family !== family) continue
      if (n.w0 === w0 && n.w1 === w1 && n.w2 === w2 && n.w3 === w3) return n
    }
    return null
  }

  /** Notes that somebody asked for an absent neighbour. */
  want(ifIndex: number, w0: number, w1: number, w2: number, w3: number): void {
    const bit = hashNeighbour(ifIndex, w0, w1, w2, w3) & (WANTED_BITS - 1)
    this.#wanted[bit >>> 3] = this.#wanted[bit >>> 3]! | (1 << (bit & 7))
  }

  /** A new epoch: everybody asks again. */
  forgetWanted(): void {
    this.#wanted.fill(0)
  }

  /**
   * Enters what the kernel says of a neighbour. Returns whether somebody who resolved to it in
   * `epoch`, or asked for it in vain, must resolve again: not for a change between usable states.
   */
  set(
    address: NeighbourAddress,
    state: number,
    mac: { high: number; low: number } | null,
    epoch: number,
  ): boolean {
    if ((state & USABLE) === 0 || mac === null) return this.remove(address, epoch)
    const { ifIndex, family, w0, w1, w2, w3 } = address
    const old = this.get(ifIndex, family, w0, w1, w2, w3)
    if (old !== null) {
      const moved = old.macHigh !== mac.high || old.macLow !== mac.low
      old.macHigh = mac.high
      old.macLow = mac.low
      old.state = state
      old.stamp = this.#stamp
      return moved && old.usedEpoch === epoch
    }
    if (this.#count >= this.neighboursMax) return false
    const key = hashNeighbour(ifIndex, w0, w1, w2, w3)
    const { high: macHigh, low: macLow } = mac
    const fresh = { ifIndex, family, w0, w1, w2, w3, macHigh, macLow, state }
    const entry: Neighbour = { ...fresh, stamp: this.#stamp, usedEpoch: -1 }
    this.#table.set(key, [...(this.#table.get(key) ?? []), entry])
    this.#count++
    const bit = key & (WANTED_BITS - 1)
    return (this.#wanted[bit >>> 3]! & (1 << (bit & 7))) !== 0
  }

  /** As `set`: returns whether it was in use. */
  remove({ ifIndex, family, w0, w1, w2, w3 }: NeighbourAddress, epoch: number): boolean {
    const old = this.get(ifIndex, family, w0, w1, w2, w3)
    if (old === null) return false
    const key = hashNeighbour(ifIndex, w0, w1, w2, w3)
    const rest = this.#table.get(key)!.filter(entry => entry !== old)
    if (rest.length > 0) this.#table.set(key, rest)
    else this.#table.delete(key)
    this.#count--
    return old.usedEpoch === epoch
  }

  beginDump(): void {
    this.#stamp++
  }

  /** Takes out what the dump did not confirm, and what `ifIndex` had when it is given. */
  endDump(epoch: number): boolean {
    return this.#sweep(({ stamp }) => stamp !== this.#stamp, epoch)
  }

  removeInterface(ifIndex: number, epoch: number): boolean {
    return this.#sweep(entry => entry.ifIndex === ifIndex, epoch)
  }

  #sweep(isGone: (entry: Neighbour) => boolean, epoch: number): boolean {
    let used = false
    for (const chain of [...this.#table.values()])
      for (const entry of chain) if (isGone(entry)) used = this.remove(entry, epoch) || used
    return used
  }

  /**
   * Neighbours in use that the kernel has not verified lately, at most `max`; looks at no more than
   * `look` entries and goes on from there next time.
   */
  staleInUse(epoch: number, max: number, look: number): Neighbour[] {
    const found: Neighbour[] = []
    this.#walk ??= this.#table.values()
    for (let i = 0; i < look && found.length < max; i++) {
      const next = this.#walk.next()
      if (next.done === true) {
        this.#walk = null
        break
      }
      for (const entry of next.value)
        if (entry.usedEpoch === epoch && (entry.state & NUD_STALE) !== 0) found.push(entry)
    }
    return found
  }
}
