import type { Adjacency, NetworkView } from '../net/network.js'
import { ADJACENCY, C0, C1, INFO, WORDS, familyOf } from '../shared/conn-record.js'

const INDEX_BITS = 20
const INDEX_MASK = (1 << INDEX_BITS) - 1

/**
 * The way back to a connection's client, looked up once and kept in its record with the generation
 * of the network view it is good for.
 */
export class Clients {
  readonly #words: Int32Array
  readonly #network: NetworkView

  constructor(words: Int32Array, network: NetworkView) {
    this.#words = words
    this.#network = network
  }

  towards(c: number): Adjacency {
    const words = this.#words
    const at = c * WORDS
    const cached = words[at + ADJACENCY]!
    const network = this.#network
    if (cached !== -1 && cached >>> INDEX_BITS === network.generation) {
      return network.adjacency(cached & INDEX_MASK)
    }
    const found = network.resolve(
      familyOf(words[at + INFO]!),
      words[at + C0]!,
      words[at + C1]!,
      words[at + C1 + 1]!,
      words[at + C1 + 2]!,
    )
    words[at + ADJACENCY] = (network.generation << INDEX_BITS) | found.index
    return found
  }
}
