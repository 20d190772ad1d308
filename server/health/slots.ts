/**
 * How many runs may be under way at once. Runs that were timed out the last time, which will hold
 * their slot for as long again, never get more than a part of them: hung targets can wait for each
 * other, never make the others wait. First come, first served within each kind.
 */
interface Waiting {
  start: () => void
  cancelled: boolean
}

export class Slots {
  readonly #max: number
  readonly #suspectsMax: number
  readonly #queues: Record<'suspects' | 'others', Waiting[]> = { suspects: [], others: [] }
  #taken = 0
  #suspects = 0
  #delayed = 0

  constructor(max: number, suspectsMax = Math.ceil(max / 2)) {
    this.#max = max
    this.#suspectsMax = Math.min(suspectsMax, max)
  }

  get taken(): number {
    return this.#taken
  }

  /** How many had to wait, ever. */
  get delayed(): number {
    return this.#delayed
  }

  /** Starts now or when there is room; whoever has started gives the slot back by `release`. */
  take(suspect: boolean, start: () => void): () => void {
    if (this.#hasRoom(suspect)) {
      this.#occupy(suspect, 1)
      start()
      return () => undefined
    }
    const waiting = { start, cancelled: false }
    this.#queues[suspect ? 'suspects' : 'others'].push(waiting)
    this.#delayed++
    return () => {
      waiting.cancelled = true
    }
  }

  release(suspect: boolean): void {
    this.#occupy(suspect, -1)
    this.#startNext('others')
    this.#startNext('suspects')
  }

  #startNext(queue: 'suspects' | 'others'): void {
    const waiting = this.#queues[queue]
    const suspect = queue === 'suspects'
    while (waiting.length > 0 && this.#hasRoom(suspect)) {
      const next = waiting.shift()!
      if (next.cancelled) continue
      this.#occupy(suspect, 1)
      next.start()
    }
  }

  #hasRoom(suspect: boolean): boolean {
    return this.#taken < this.#max && (!suspect || this.#suspects < this.#suspectsMax)
  }

  #occupy(suspect: boolean, count: 1 | -1): void {
    this.#taken += count
    if (suspect) this.#suspects += count
  }
}
