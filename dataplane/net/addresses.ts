/** The host's own addresses, for the source of what the dataplane itself originates. */
export interface InterfaceAddress {
  readonly ifIndex: number
  readonly family: number
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
  /** RT_SCOPE_UNIVERSE 0, RT_SCOPE_SITE 200, RT_SCOPE_LINK 253, RT_SCOPE_HOST 254. */
  readonly scope: number
  readonly flags: number
}

const IFA_F_SECONDARY = 0x01
const IFA_F_DADFAILED = 0x08
const IFA_F_DEPRECATED = 0x20
const IFA_F_TENTATIVE = 0x40
/** Not to be used as a source while there is another (RFC 6724 rule 3), or at all. */
const UNFIT = IFA_F_DADFAILED | IFA_F_TENTATIVE
const UNLIKED = IFA_F_SECONDARY | IFA_F_DEPRECATED

export const ADDRESSES_MAX = 1 << 16

export class Addresses {
  readonly #byInterface = new Map<number, { address: InterfaceAddress; stamp: number }[]>()
  #count = 0
  #stamp = 0

  set(address: InterfaceAddress): boolean {
    const list = this.#byInterface.get(address.ifIndex) ?? []
    const i = list.findIndex(entry => isSame(entry.address, address))
    if (i >= 0) {
      const old = list[i]!.address
      list[i] = { address, stamp: this.#stamp }
      return old.flags !== address.flags || old.scope !== address.scope
    }
    if (this.#count >= ADDRESSES_MAX) return false
    list.push({ address, stamp: this.#stamp })
    this.#byInterface.set(address.ifIndex, list)
    this.#count++
    return true
  }

  remove(address: InterfaceAddress): boolean {
    const list = this.#byInterface.get(address.ifIndex) ?? []
    const i = list.findIndex(entry => isSame(entry.address, address))
    if (i < 0) return false
    list.splice(i, 1)
    this.#count--
    return true
  }

  /**
   * The interface's address that shares most leading bits with `towards`, the next hop: the one of
   * its own subnet (RFC 6724 rule 8; in IPv4 the address whose prefix holds the gateway).
   */
  nearest(
    ifIndex: number,
    family: number,
    towards: { w0: number; w1: number; w2: number; w3: number },
  ): InterfaceAddress | null {
    let best: InterfaceAddress | null = null
    let bestBits = -1
    for (const { address } of this.#byInterface.get(ifIndex) ?? []) {
      if (address.family !== family || (address.flags & UNFIT) !== 0) continue
      const bits = commonBits(address, towards) - ((address.flags & UNLIKED) !== 0 ? 128 : 0)
      if (best === null || bits > bestBits) {
        best = address
        bestBits = bits
      }
    }
    return best
  }

  /** The interface's primary address of that family: widest scope, not secondary, oldest. */
  primary(ifIndex: number, family: number): InterfaceAddress | null {
    let best: InterfaceAddress | null = null
    for (const { address } of this.#byInterface.get(ifIndex) ?? []) {
      if (address.family !== family || (address.flags & UNFIT) !== 0) continue
      if (best === null || rank(address) < rank(best)) best = address
    }
    return best
  }

  beginDump(): void {
    this.#stamp++
  }

  endDump(): boolean {
    let changed = false
    for (const [ifIndex, list] of this.#byInterface) {
      const kept = list.filter(({ stamp }) => stamp === this.#stamp)
      if (kept.length === list.length) continue
      changed = true
      this.#count -= list.length - kept.length
      this.#byInterface.set(ifIndex, kept)
    }
    return changed
  }
}

const rank = ({ scope, flags }: InterfaceAddress): number =>
  scope * 2 + ((flags & UNLIKED) !== 0 ? 1 : 0)

const isSame = (a: InterfaceAddress, b: InterfaceAddress): boolean =>
  a.family === b.family && a.w0 === b.w0 && a.w1 === b.w1 && a.w2 === b.w2 && a.w3 === b.w3

/** How many leading bits two addresses share. */
function commonBits(
  a: { w0: number; w1: number; w2: number; w3: number },
  b: { w0: number; w1: number; w2: number; w3: number },
): number {
  if (a.w0 !== b.w0) return Math.clz32(a.w0 ^ b.w0)
  if (a.w1 !== b.w1) return 32 + Math.clz32(a.w1 ^ b.w1)
  if (a.w2 !== b.w2) return 64 + Math.clz32(a.w2 ^ b.w2)
  return 96 + Math.clz32(a.w3 ^ b.w3)
}
