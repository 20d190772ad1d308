/**
 * Packets from one thread to another: a ring of octets in a SharedArrayBuffer with one producer and
 * one consumer. Neither ever waits for the other; what does not fit is dropped and counted.
 *
 *     header  HEAD TAIL DROPPED IDLE DESCRIPTOR SIGNAL ...       (Int32, one cache line)
 *     data    | octets | packet, padded to 4 | octets | packet | ...   | -1 |
 *             ^HEAD: next to take                        ^TAIL: next to fill
 *
 * HEAD and TAIL count octets ever taken and put, modulo 2^32; a record never wraps: where it would,
 * the length -1 sends the reader back to the start. HEAD moves when a packet has been taken, TAIL
 * when it is whole, so a thread that dies in between costs at most that packet.
 */
const HEAD = 0
const TAIL = 1
const DROPPED = 2
const IDLE = 3
const DESCRIPTOR = 4
const SIGNAL = 5
const HEADER_OCTETS = 64
const WRAP = -1
/** Views on a few octets cost more than the octets do: so small packets are copied by hand. */
const BY_HAND = 256

/** Node 20 has it; TypeScript knows it from ES2024 on only. */
const asynchronous = Atomics as typeof Atomics & {
  waitAsync(words: Int32Array, index: number, value: number): { value: Promise<string> | string }
}

/** Memory for a queue of 2^n octets of packets. */
export function allocateQueue(octets: number): SharedArrayBuffer {
  if (octets < 1 << 17 || octets > 1 << 30 || (octets & (octets - 1)) !== 0)
    throw new RangeError(`a queue of ${octets} octets: expected a power of two that holds packets`)
  const memory = new SharedArrayBuffer(HEADER_OCTETS + octets)
  new Int32Array(memory)[DESCRIPTOR] = -1
  return memory
}

export class PacketQueue {
  readonly #words: Int32Array
  readonly #lengths: Int32Array
  readonly #octets: Uint8Array
  readonly #mask: number

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory, 0, HEADER_OCTETS / 4)
    this.#lengths = new Int32Array(memory, HEADER_OCTETS)
    this.#octets = new Uint8Array(memory, HEADER_OCTETS)
    this.#mask = this.#octets.length - 1
  }

  /** Producer: appends the octets `[at, end)` of `from`. False, having counted it, when full. */
  push(from: Uint8Array, at: number, end: number): boolean {
    const words = this.#words
    const octets = end - at
    const record = 4 + ((octets + 3) & ~3)
    const tail = words[TAIL]!
    const start = tail & this.#mask
    const left = this.#octets.length - start
    const skipped = record > left ? left : 0
    const used = (tail - Atomics.load(words, HEAD)) >>> 0
    if (used + skipped + record > this.#octets.length) {
      words[DROPPED] = words[DROPPED]! + 1
      return false
    }
    const place = skipped > 0 ? 0 : start
    if (skipped > 0) this.#lengths[start >>> 2] = WRAP
    this.#lengths[place >>> 2] = octets
    if (octets > BY_HAND) this.#octets.set(from.subarray(at, end), place + 4)
    else for (let i = 0; i < octets; i++) this.#octets[place + 4 + i] = from[at + i]!
    Atomics.store(words, TAIL, (tail + skipped + record) | 0)
    return true
  }

  /**
   * Consumer: copies the next packet to `to` at `at` and returns its octets; 0 when there is none.
   * One that is larger than the room behind `at` is dropped and counted as -1.
   */
  shift(to: Uint8Array, at: number): number {
    const words = this.#words
    let head = words[HEAD]!
    if (head === Atomics.load(words, TAIL)) return 0
    let place = head & this.#mask
    if (this.#lengths[place >>> 2] === WRAP) {
      head = (head + this.#octets.length - place) | 0
      place = 0
    }
    const octets = this.#lengths[place >>> 2]!
    const fits = octets <= to.length - at
    if (fits) this.#copy(place + 4, octets, to, at)
    Atomics.store(words, HEAD, (head + 4 + ((octets + 3) & ~3)) | 0)
    return fits ? octets : -1
  }

  /** Consumer: octets of what the next `shift` takes; 0 when there is none. */
  get nextOctets(): number {
    const head = this.#words[HEAD]!
    if (head === Atomics.load(this.#words, TAIL)) return 0
    const place = head & this.#mask
    return this.#lengths[this.#lengths[place >>> 2] === WRAP ? 0 : place >>> 2]!
  }

  #copy(from: number, octets: number, to: Uint8Array, at: number): void {
    const source = this.#octets
    if (octets > BY_HAND) {
      to.set(source.subarray(from, from + octets), at)
      return
    }
    for (let i = 0; i < octets; i++) to[at + i] = source[from + i]!
  }

  get isEmpty(): boolean {
    return this.#words[HEAD] === Atomics.load(this.#words, TAIL)
  }

  /** Packets that did not fit, ever; wraps at 2^32. */
  get dropped(): number {
    return this.#words[DROPPED]! >>> 0
  }

  /**
   * Consumer: says that it will look again only when told. Returns false when a packet has come
   * in the meantime: then it should look at once.
   */
  goIdle(): boolean {
    Atomics.store(this.#words, IDLE, 1)
    return this.isEmpty
  }

  /** Producer: whether the consumer has to be told of what was pushed; true once for each time. */
  takeIdle(): boolean {
    return Atomics.load(this.#words, IDLE) === 1 && Atomics.exchange(this.#words, IDLE, 0) === 1
  }

  /** The descriptor by which a consumer that sleeps in poll is told; -1 when there is none. */
  get descriptor(): number {
    return Atomics.load(this.#words, DESCRIPTOR)
  }
  set descriptor(fd: number) {
    Atomics.store(this.#words, DESCRIPTOR, fd)
  }

  /** Producer: wakes a consumer that waits with `signalled`. */
  signal(): void {
    Atomics.add(this.#words, SIGNAL, 1)
    Atomics.notify(this.#words, SIGNAL)
  }

  /** Consumer with an event loop: resolves with the next `signal`. Call before the last look. */
  signalled(): Promise<unknown> {
    const { value } = asynchronous.waitAsync(this.#words, SIGNAL, this.#words[SIGNAL]!)
    return Promise.resolve(value)
  }
}
