/** The main thread's end of the thread that runs checks: starts it, asks it, starts another. */
import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import type { CheckChange } from './check-runner.js'
import type { CheckedServer, CheckSpec } from './check-spec.js'
import { Heartbeat } from './heartbeat.js'
import { Latencies, type LatencyHistogram } from './latencies.js'
import type { Pinger, PingFailure } from './pinger.js'
import type { SctpAsker } from './sctp-asker.js'
import type { Timers } from './timers.js'
import type {
  FromWorker,
  HealthWorkerData,
  PathFailure,
  PathOrder,
  ProbePlace,
  Questions,
  ToWorker,
} from './worker-messages.js'

/** The part of Worker that is used here. */
export interface HealthWorkerLike {
  postMessage(message: ToWorker): void
  on(event: 'message', listener: (message: FromWorker) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'exit', listener: (code: number) => void): unknown
  terminate(): Promise<unknown>
}
export type StartHealthWorker = (data: HealthWorkerData) => HealthWorkerLike

/** Who can let a probe through a service: the dataplane, and the network that probes come from. */
export interface ServiceGateway {
  place: ProbePlace
  /** Rejects with a sentence for people. */
  open(order: PathOrder): Promise<void>
  /** Of what was opened, or was not; must not throw. */
  close(order: PathOrder): void
}

export interface HealthThreadOptions {
  logger: Pick<Logger, 'info' | 'warn' | 'error'>
  commandFolder: string | null
  fileFolder: string | null
  pinger: Pinger
  sctpAsker: SctpAsker
  /** For the thread that probes through services; null for the other. */
  gateway: ServiceGateway | null
  /** Of which checks. */
  vias: readonly CheckSpec['via'][]
  startWorker?: StartHealthWorker
  /** Everything that a new thread has to check. */
  servers: () => CheckedServer[]
  changed: (change: CheckChange) => void
  /** Told of a thread that is gone; another will follow. */
  lost: (reason: LossReason) => void
  timers: Timers
}

export type LossReason = 'ended' | 'hung'

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
  readonly #paths = new Map<number, PathOrder>()
  #worker: HealthWorkerLike | null = null
  #heartbeat: Heartbeat | null = null
  #hung = false
  #restart: (() => void) | undefined
  #nextId = 0
  #closed = false

  constructor(options: HealthThreadOptions) {
    this.#options = options
  }

  /** Its part of a server's checks. The first starts the thread: who checks nothing pays nothing. */
  set(subject: CheckedServer): void {
    const server = this.#partOf(subject)
    if (server.checks.length === 0) return this.delete(subject.service, subject.server)
    if (this.#closed || this.#restart !== undefined) return
    if (this.#worker === null) this.#start()
    else this.post({ op: 'set', server })
  }

  delete(service: string, server: string): void {
    this.post({ op: 'delete', service, server })
  }

  /** Nobody hears it while there is no thread; the next one is told everything. */
  post(message: ToWorker): void {
    this.#worker?.postMessage(message)
  }

  #partOf(subject: CheckedServer): CheckedServer {
    const checks = subject.checks.filter(({ spec }) => this.#options.vias.includes(spec.via))
    return { ...subject, checks }
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
    this.#restart?.()
    this.#heartbeat?.stop()
    await this.#worker?.terminate()
    this.#forget()
  }

  #start(): void {
    const { commandFolder, fileFolder, servers } = this.#options
    const start = this.#options.startWorker ?? startWorker
    const latencies = this.#latencies
    const network = this.#options.gateway?.place ?? null
    const worker = start({ commandFolder, fileFolder, latencies, slots: SLOTS, network })
    this.#worker = worker
    this.#hung = false
    const heartbeat = new Heartbeat(this.#options.timers, () => this.#giveUp(worker))
    this.#heartbeat = heartbeat
    worker.on('message', message => {
      heartbeat.hear()
      // What it said last, after it was given up, is told anew by the next one.
      if (this.#worker === worker && !this.#hung) this.#hear(message)
    })
    worker.on('error', error => this.#options.logger.error({ err: error }, 'health checks failed'))
    worker.on('exit', () => this.#lost())
    for (const server of servers().map(each => this.#partOf(each)))
      if (server.checks.length > 0) worker.postMessage({ op: 'set', server })
  }

  /** Nobody is checked while it hangs: better one that begins anew, from the states that are known. */
  #giveUp(worker: HealthWorkerLike): void {
    this.#hung = true
    this.#options.logger.error('the thread of health checks hangs; ending it')
    void worker.terminate()
  }

  #lost(): void {
    this.#heartbeat?.stop()
    this.#forget()
    if (this.#closed) return
    this.#options.logger.warn('the thread of health checks has ended; starting another')
    this.#options.lost(this.#hung ? 'hung' : 'ended')
    this.#restart = this.#options.timers.after(RESTART_MS, () => {
      this.#restart = undefined
      this.#start()
    })
  }

  #forget(): void {
    this.#worker = null
    for (const stop of this.#pings.values()) stop()
    this.#pings.clear()
    for (const order of this.#paths.values()) this.#options.gateway?.close(order)
    this.#paths.clear()
    const error = new HealthThreadGone('The thread that runs health checks has ended.')
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }

  #hear(message: FromWorker): void {
    switch (message.event) {
      case 'beat':
        return
      case 'changed':
        return this.#options.changed(message.change)
      case 'answer': {
        const waiting = this.#waiting.get(message.id)
        this.#waiting.delete(message.id)
        return waiting?.resolve(message.answer as never)
      }
      case 'ping':
        return this.#ping(message.id, done => this.#options.pinger.ping(message.order, done))
      case 'askSctp':
        return this.#ping(message.id, done => this.#options.sctpAsker.ask(message.order, done))
      case 'stopPing':
        this.#pings.get(message.id)?.()
        this.#pings.delete(message.id)
        return
      case 'open':
        return void this.#open(message)
      case 'close': {
        const order = this.#paths.get(message.id)
        this.#paths.delete(message.id)
        return order && this.#options.gateway?.close(order)
      }
    }
  }

  async #open({ id, order }: Extract<FromWorker, { event: 'open' }>): Promise<void> {
    this.#paths.set(id, order)
    const failure = await failureOf(this.#options.gateway?.open(order))
    this.#worker?.postMessage({ op: 'opened', id, failure })
  }

  #ping(id: number, start: (done: (failure: PingFailure) => void) => () => void): void {
    let done = false
    const stop = start(failure => {
      done = true
      this.#pings.delete(id)
      this.#worker?.postMessage({ op: 'pinged', id, failure })
    })
    if (!done) this.#pings.set(id, stop)
  }
}

async function failureOf(opening: Promise<void> | undefined): Promise<PathFailure> {
  try {
    await opening
    return null
  } catch (error) {
    return { reason: 'internal', detail: `The dataplane does not: ${(error as Error).message}.` }
  }
}

const startWorker: StartHealthWorker = data =>
  new Worker(new URL('./health-worker.js', import.meta.url), {
    workerData: data,
    name: 'health checks',
  })
