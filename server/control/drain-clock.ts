/**
 * When drains have to be seen to: each at its deadline, and all of them every second, since nobody
 * tells when a connection was the last one. One timer for all: a host may drain thousands at once.
 */
export type After = (delayMs: number, work: () => void) => () => void

export interface DrainClockOptions<T> {
  /** Wall clock. */
  now: () => Date
  after: After
  /** Their deadlines have come; they are looked after no more unless they are set again. */
  onDue: (due: readonly T[]) => void
  /** Looks at one; true: it is over, and looked after no more. */
  isOver: (one: T) => boolean
  onOver: (over: readonly T[]) => void
}

/** setTimeout takes no more. */
const DELAY_MAX_MS = 2 ** 31 - 1
const LOOK_MS = 1000
/** Longest part of a second that looking takes: those who were not looked at come first then. */
const BUDGET_MS = 20

export class DrainClock<T> {
  readonly #o: DrainClockOptions<T>
  readonly #entries = new Map<string, { one: T; dueMs: number }>()
  #cancel: (() => void) | null = null
  #wakeMs = Infinity

  constructor(options: DrainClockOptions<T>) {
    this.#o = options
  }

  set(key: string, one: T, dueMs: number): void {
    this.#entries.set(key, { one, dueMs })
    this.#arm(dueMs)
  }

  delete(key: string): void {
    this.#entries.delete(key)
    if (this.#entries.size === 0) this.stop()
  }

  stop(): void {
    this.#entries.clear()
    this.#cancel?.()
    this.#cancel = null
    this.#wakeMs = Infinity
  }

  #arm(dueMs: number): void {
    const nowMs = this.#o.now().getTime()
    const wakeMs = Math.min(dueMs, nowMs + LOOK_MS)
    if (wakeMs >= this.#wakeMs) return
    this.#cancel?.()
    this.#wakeMs = wakeMs
    const delayMs = Math.min(DELAY_MAX_MS, Math.max(0, wakeMs - nowMs))
    this.#cancel = this.#o.after(delayMs, () => this.#tick())
  }

  #tick(): void {
    this.#cancel = null
    this.#wakeMs = Infinity
    const due = this.#takeDue()
    const over = this.#takeOver()
    if (due.length > 0) this.#o.onDue(due)
    if (over.length > 0) this.#o.onOver(over)
    let nextMs = Infinity
    for (const { dueMs } of this.#entries.values()) nextMs = Math.min(nextMs, dueMs)
    if (this.#entries.size > 0) this.#arm(nextMs)
  }

  #takeDue(): T[] {
    const nowMs = this.#o.now().getTime()
    const due = [...this.#entries].filter(([, { dueMs }]) => dueMs <= nowMs)
    for (const [key] of due) this.#entries.delete(key)
    return due.map(([, { one }]) => one)
  }

  #takeOver(): T[] {
    const over: T[] = []
    const untilMs = performance.now() + BUDGET_MS
    for (const [key, entry] of [...this.#entries]) {
      // Behind the others, who come first when this takes too long.
      this.#entries.delete(key)
      if (this.#o.isOver(entry.one)) over.push(entry.one)
      else this.#entries.set(key, entry)
      if (performance.now() > untilMs) break
    }
    return over
  }
}
