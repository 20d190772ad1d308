import { shareProgram } from './driver/share-filter.js'
import type { Instruction } from './driver/bpf.js'
import { Role, type Guarded } from './ipvs/guarded.js'
import { addressKey } from './shared/shard.js'

/** A new program may cost this part of the time at most: it only saves handing packets over. */
const SHARE_OF_TIME = 1 / 20

export interface ShareKeeperOptions {
  index: number
  count: number
  guarded: Guarded
  /** Puts a program before the sockets. */
  filter: (program: readonly Instruction[]) => void
  nowMs: () => number
}

/** Keeps the kernel's idea of who the client is in line with the endpoints that are ours. */
export class ShareKeeper {
  readonly #o: ShareKeeperOptions
  #generation = 0
  #dueMs = 0

  constructor(options: ShareKeeperOptions) {
    this.#o = options
  }

  /** To be called often: does nothing unless something changed. */
  follow(): void {
    const { guarded, nowMs, filter, index, count } = this.#o
    const startMs = nowMs()
    if (guarded.generation === this.#generation || startMs < this.#dueMs) return
    this.#generation = guarded.generation
    const virtual = keysOf(guarded, Role.vip)
    const real = keysOf(guarded, Role.real)
    filter(shareProgram({ index, count, virtual, real }))
    this.#dueMs = nowMs() + (nowMs() - startMs) / SHARE_OF_TIME
  }
}

/** What is let in before anything is configured. */
export const firstShare = (index: number, count: number) => ({
  filter: shareProgram({ index, count, virtual: { 4: [], 6: [] }, real: { 4: [], 6: [] } }),
  share: { index, count },
})

function keysOf(guarded: Guarded, role: Role): Record<4 | 6, Set<number>> {
  const keys = { 4: new Set<number>(), 6: new Set<number>() }
  for (const { family, w0, w1, w2, w3 } of guarded.addresses(role))
    keys[family === 4 ? 4 : 6].add(addressKey(family, w0, w1, w2, w3))
  return keys
}
