/** All that /metrics tells, from whoever has something to tell. */
import { messageOf } from '../errors.js'
import { Exposition, type Collector, type Format } from './exposition.js'

export class Metrics {
  readonly #collectors: Collector[] = []
  readonly #before: (() => Promise<void>)[] = []
  readonly #createdS: number
  readonly #nowMs: () => number
  /** Scrapes that have ended: their number and their time. */
  #scrapes = 0
  #scrapeSeconds = 0
  #failures = 0
  /** Octets that the next answer may have. */
  #size = 0
  /** Told once, not with every scrape. */
  readonly #complaints = new Set<string>()
  #complain: (reason: string) => void = () => undefined

  constructor(nowMs: () => number = () => performance.now(), createdMs = Date.now()) {
    this.#nowMs = nowMs
    this.#createdS = createdMs / 1000
  }

  /** Families appear in the order in which they were added. */
  add(...collectors: readonly Collector[]): void {
    this.#collectors.push(...collectors)
  }

  /** What has to be done before a scrape; may wait, and is not waited for when it fails. */
  before(...works: readonly (() => Promise<void>)[]): void {
    this.#before.push(...works)
  }

  /** Hears why a part could not be told. */
  onFailure(complain: (reason: string) => void): void {
    this.#complain = complain
  }

  /** The whole text. A part that fails is left out and counted, the others are told. */
  async scrape(format: Format): Promise<Buffer> {
    const done = await Promise.allSettled(this.#before.map(work => work()))
    for (const each of done) if (each.status === 'rejected') this.#fail(messageOf(each.reason))
    return this.render(format)
  }

  render(format: Format): Buffer {
    const startedMs = this.#nowMs()
    const out = new Exposition(format, this.#createdS, this.#size)
    for (const collect of this.#collectors) {
      try {
        collect(out)
      } catch (error) {
        this.#fail(messageOf(error))
      }
    }
    this.#tellOfScrapes(out)
    const text = out.octets()
    // The next is hardly larger.
    this.#size = text.length + (text.length >>> 4)
    this.#scrapes++
    this.#scrapeSeconds += (this.#nowMs() - startedMs) / 1000
    return text
  }

  #fail(reason: string): void {
    this.#failures++
    if (this.#complaints.has(reason)) return
    this.#complaints.add(reason)
    this.#complain(reason)
  }

  #tellOfScrapes(out: Exposition): void {
    out.single(
      { name: 'sluice_metrics_renders', type: 'counter', help: 'Earlier answers of /metrics.' },
      this.#scrapes,
    )
    out.single(
      {
        name: 'sluice_metrics_render_seconds',
        type: 'counter',
        help: 'Time of the main thread that earlier answers of /metrics have taken.',
      },
      this.#scrapeSeconds,
    )
    out.single(
      {
        name: 'sluice_metrics_failures',
        type: 'counter',
        help: 'Parts of /metrics that could not be told; the log says why.',
      },
      this.#failures,
    )
  }
}
