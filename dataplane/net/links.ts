/** Network interfaces as rtnetlink describes them. */
export interface Link {
  readonly ifIndex: number
  readonly name: string
  readonly mtuOctets: number
  /** Switched on, and with a carrier. */
  readonly up: boolean
  readonly macHigh: number
  readonly macLow: number
}

export const LINKS_MAX = 4096

export class Links {
  readonly #links = new Map<number, { link: Link; stamp: number }>()
  #stamp = 0

  get(ifIndex: number): Link | undefined {
    return this.#links.get(ifIndex)?.link
  }

  all(): Link[] {
    return [...this.#links.values()].map(({ link }) => link)
  }

  /** Returns whether anything changed that packets depend on. */
  set(link: Link): boolean {
    const old = this.#links.get(link.ifIndex)?.link
    if (old === undefined && this.#links.size >= LINKS_MAX) return false
    this.#links.set(link.ifIndex, { link, stamp: this.#stamp })
    return (
      old === undefined ||
      old.name !== link.name ||
      old.mtuOctets !== link.mtuOctets ||
      old.up !== link.up ||
      old.macHigh !== link.macHigh ||
      old.macLow !== link.macLow
    )
  }

  remove(ifIndex: number): boolean {
    return this.#links.delete(ifIndex)
  }

  beginDump(): void {
    this.#stamp++
  }

  endDump(): boolean {
    let changed = false
    for (const [ifIndex, { stamp }] of this.#links)
      if (stamp !== this.#stamp) changed = this.remove(ifIndex) || changed
    return changed
  }
}
