/**
 * Keeps a log from filling a disk: of equal messages within a second only the first are written, the
 * others are counted, and one line says how many there were.
 */

/** Equal messages that are written within a second. */
export const LINES_PER_SECOND = 100
const PERIOD_MS = 1000
/** Different messages that are told apart; texts are of the program, so there are few. */
const MESSAGES_MAX = 1000

interface Message {
  level: number
  text: string
  fromMs: number
  written: number
  left: number
}

/** Messages that were left out within a period. */
export interface Summary {
  level: number
  text: string
  left: number
}

export class LogLimit {
  readonly #perSecond: number
  readonly #nowMs: () => number
  readonly #messages = new Map<string, Message>()

  constructor(perSecond = LINES_PER_SECOND, nowMs: () => number = () => performance.now()) {
    this.#perSecond = perSecond
    this.#nowMs = nowMs
  }

  /** Whether to write it; otherwise it is counted. */
  admits(level: number, text: string): boolean {
    const key = `${level} ${text}`
    const nowMs = this.#nowMs()
    let message = this.#messages.get(key)
    if (message === undefined) {
      if (this.#messages.size >= MESSAGES_MAX) return true
      message = { level, text, fromMs: nowMs, written: 0, left: 0 }
      this.#messages.set(key, message)
    }
    if (nowMs - message.fromMs >= PERIOD_MS) {
      message.fromMs = nowMs
      message.written = 0
    }
    if (++message.written <= this.#perSecond) return true
    message.left++
    return false
  }

  /** What was left out since the last time; forgets what has been quiet. */
  take(): Summary[] {
    const nowMs = this.#nowMs()
    const summaries: Summary[] = []
    for (const [key, message] of this.#messages) {
      const { level, text, left, fromMs } = message
      if (left > 0) summaries.push({ level, text, left })
      message.left = 0
      if (nowMs - fromMs >= PERIOD_MS) this.#messages.delete(key)
    }
    return summaries
  }
}
