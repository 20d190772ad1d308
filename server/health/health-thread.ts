/** The main thread's end of the thread that runs checks: starts it, asks it, starts another. */
import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import type { CheckChange } from './check-runner.js'
import type { CheckedServer } from './check-spec.js'
import { Latencies, type LatencyHistogram } from './latencies.js'
import type { Pinger } from './pinger.js'
import type { FromWorker, HealthWorkerData, Questions, ToWorker } from './worker-messages.js'

/** The part of Worker that is used here. */
export interface HealthWorkerLike {
  postMessage(message: ToWorker): void
  on(event: 'message', listener: (message: FromWorker) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'exit', listener: (code: number) => void): unknown
  terminate(): Promise<unknown>
}
export type StartHealthWorker = (data: HealthWorkerData) => HealthWorkerLike

export interface HealthThreadOptions {
  logger: Pick<Logger, 'info' | 'warn' | 'error'>
  commandFolder: string | null
  fileFolder: string | null
  pinger: Pinger
  startWorker?: StartHealthWorker
  /** Everything that a new thread has to check. */
  servers: () => CheckedServer[]
  changed: (change: CheckChange) => void
}

/** Runs under way; each holds a descriptor, of which Debian gives a process 1,024 and systemd 524,288. */
const SLOTS = 512
const RESTART_MS = 1000

/** The thread was lost, or the server is closing. */
export class HealthThreadGone extends Error {}

interface Waiting {
  resolve: (answer: never) => void
  reject: (error: Error) => void
}

export class HealthThread {
  readonly #options: HealthThreadOptions
  readonly #latencies = Latencies.allocate()
  readonly #waiting = new Map<number, Waiting>()
  readonly #pings = new Map<number, () => void>()
  #worker: HealthWorkerLike | null = null
  #restart: NodeJS.Timeout | undefined
  #nextId = 0
  #closed = false

  constructor(options: HealthThreadOptions) {
    this.#options = options
  }

  /** Starts the thread with the first message: who checks nothing pays nothing. */
  post(message: ToWorker): void {
    if (this.#closed || this.#restart !== undefined) return
    if (this.#worker === null) this.#start()
    else this.#worker.postMessage(message)
  }

  /** Rejects with HealthThreadGone. */
  ask<Q extends keyof Questions>(
    question: Q,
    list: Questions[Q]['arguments'],
  ): Promise<Questions[Q]['answer'] | null> {
    if (this.#worker === null) return Promise.resolve(null)
    const id = ++this.#nextId
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      // Question and arguments belong together by the signature of this function.
      this.post({ op: 'ask', id, question, arguments: list } as ToWorker)
    })
  }

  histograms(): LatencyHistogram[] {
    return new Latencies(this.#latencies).histograms()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#restart)
    await this.#worker?.terminate()
    this.#forget()
  }

  #start(): void {
    const { commandFolder, fileFolder, servers } = this.#options
    const start = this.#options.startWorker ?? startWorker
    const latencies = this.#latencies
    const worker = start({ commandFolder, fileFolder, latencies, slots: SLOTS, network: null })
    this.#worker = worker
    worker.on('message', message => this.#hear(message))
    worker.on('error', error => this.#options.logger.error({ err: error }, 'health checks failed'))
    worker.on('exit', () => this.#lost())
    for (const server of servers()) worker.postMessage({ op: 'set', server })
  }

  #lost(): void {
    this.#forget()
    if (this.#closed) return
    this.#options.logger.warn('the thread of health checks has ended; starting another')
    this.#restart = setTimeout(() => {
      this.#restart = undefined
      this.#start()
    }, RESTART_MS)
  }

  #forget(): void {
    this.#worker = null
    for (const stop of this.#pings.values()) stop()
    this.#pings.clear()
    const error = new HealthThreadGone('The thread that runs health checks has ended.')
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }

  #hear(message: FromWorker): void {
    switch (message.event) {
      case 'changed':
        return this.#options.changed(message.change)
      case 'answer': {
        const waiting = this.#waiting.get(message.id)
        this.#waiting.delete(message.id)
        return waiting?.resolve(message.answer as never)
      }
      case 'ping':
        return this.#ping(message)
      case 'stopPing':
        this.#pings.get(message.id)?.()
        this.#pings.delete(message.id)
        return
      case 'open':
      case 'close':
        return
    }
  }

  #ping({ id, order }: Extract<FromWorker, { event: 'ping' }>): void {
    let done = false
    const stop = this.#options.pinger.ping(order, failure => {
      done = true
      this.#pings.delete(id)
      this.#worker?.postMessage({ op: 'pinged', id, failure })
    })
    if (!done) this.#pings.set(id, stop)
  }
}

const startWorker: StartHealthWorker = data =>
  new Worker(new URL('./health-worker.js', import.meta.url), {
    workerData: data,
    name: 'health checks',
  })
