/**
 * The main thread's end of the dataplane: starts the worker, talks to it, notices when it is gone or
 * hangs, and starts another, which is then given everything. Shared memory outlives the workers.
 */
import { writeSync } from 'node:fs'
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads'
import type { Logger } from 'pino'
import type { Event, Op, PortInfo, Reply, Results } from '../../dataplane/protocol.js'
import type { OpErrorCode, SharedMemory, WorkerConfig } from '../../dataplane/protocol.js'
import { HEARTBEAT, MESSAGES } from '../../dataplane/shared/memory.js'
import { messageOf } from '../errors.js'
import { parts } from './message-parts.js'

export interface DataplaneOptions {
  /** Allocated once (dataplane/shared/memory.ts) and handed to every worker. */
  memory: SharedMemory
  worker: Pick<WorkerConfig, 'driver' | 'interfaces' | 'packetQueues' | 'crew' | 'busyPollUs'>
  logger: Logger
  /** Starts a worker; the default starts the real one. */
  spawn?: (config: WorkerConfig) => WorkerLike
  deadlines?: Partial<Deadlines>
  /** Hears of every new phase. */
  onPhase?: (phase: Phase, reason: string | null) => void
  /** Repeats `work`; returns what ends it. The default is a timer. */
  every?: (everyMs: number, work: () => void) => () => void
}

export interface Deadlines {
  /** For an answer to one operation. A worker that misses it is replaced. */
  callMs: number
  /** From the start of a worker to its `ready`. */
  readyMs: number
  /** For the whole configuration. */
  restoreMs: number
  /** A worker whose heartbeat stands still for this long hangs. */
  heartbeatMs: number
  /** Longest pause between two starts; the first restart is at once. */
  backoffMaxMs: number
}

const DEADLINES: Deadlines = {
  callMs: 5000,
  readyMs: 15_000,
  restoreMs: 60_000,
  heartbeatMs: 10_000,
  backoffMaxMs: 5000,
}

/** The part of worker_threads.Worker that is used here. */
export interface WorkerLike {
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'exit', listener: (code: number) => void): unknown
  terminate(): Promise<unknown>
}

export type Phase = 'idle' | 'starting' | 'restoring' | 'ready' | 'down' | 'stopped'
export type Call = <T extends Op>(op: T) => Promise<Results[T['op']]>

/** What the control plane needs of a dataplane. */
export interface Dataplane {
  readonly memory: SharedMemory
  /** Of every worker, `memory` first; absent when there is one. */
  readonly memories?: readonly SharedMemory[]
  readonly ports: readonly PortInfo[]
  readonly phase: Phase
  /** Workers that were started after the first ones; absent: nobody counts. */
  readonly restarts?: number
  /** Why it is not ready; null when it is. */
  readonly reason: string | null
  /**
   * Starts the first worker. `restore` is called for every worker that came up; it has to read the
   * desired state before its first await, then hand it over through `call`.
   */
  start(restore: (call: Call) => Promise<void>): void
  /** Rejects with OpRefused (the worker said no) or DataplaneGone (nobody knows). */
  call<T extends Op>(op: T): Promise<Results[T['op']]>
  /** Whether it is ready, at the latest after so long. */
  whenReady(deadlineMs: number): Promise<boolean>
  stop(): Promise<void>
}

/** The memory of every worker. */
export const memoriesOf = ({ memories, memory }: Dataplane): readonly SharedMemory[] =>
  memories ?? [memory]

/** The dataplane checked the operation and did nothing of it. */
export class OpRefused extends Error {
  readonly code: OpErrorCode
  constructor(code: OpErrorCode, detail: string) {
    super(detail)
    this.code = code
  }
}

/** The worker is gone or silent: the operation was carried out or not; the next restore tells. */
export class DataplaneGone extends Error {}

interface Pending {
  resolve: (result: unknown) => void
  reject: (error: Error) => void
  timer: NodeJS.Timeout
}

/** One worker's life. */
interface Link {
  worker: WorkerLike
  port: MessagePort
  wakeDescriptor: number
  startedAtMs: number
  startTimer: NodeJS.Timeout | null
}

const ONE = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0])
const STABLE_MS = 10_000
/** A batch is carried out between packets: what one of its operations may take where those are many. */
const PER_OP_MS = 0.5
/** A third is for what is new. Starting leaves 16 MiB else: 15 ms to clear, not 0.5 every few seconds. */
const RESOURCES = { maxYoungGenerationSizeMb: 6 }

export class DataplaneClient implements Dataplane {
  readonly memory: SharedMemory
  ports: readonly PortInfo[] = []
  phase: Phase = 'idle'
  reason: string | null = 'The dataplane has not been started.'
  /** How many workers have been started after the first. */
  restarts = 0

  readonly #options: DataplaneOptions
  readonly #logger: Logger
  readonly #deadlines: Deadlines
  readonly #control: Int32Array
  readonly #pending = new Map<number, Pending>()
  readonly #waiters = new Set<() => void>()
  #restore: (call: Call) => Promise<void> = async () => undefined
  #link: Link | null = null
  #nextId = 1
  #failures = 0
  #respawn: NodeJS.Timeout | null = null
  /** Ends the watch over the heartbeat. */
  #heartbeat: (() => void) | null = null

  constructor(options: DataplaneOptions) {
    this.#options = options
    this.memory = options.memory
    this.#logger = options.logger
    this.#deadlines = { ...DEADLINES, ...options.deadlines }
    this.#control = new Int32Array(options.memory.control)
  }

  start(restore: (call: Call) => Promise<void>): void {
    this.#restore = restore
    this.#watch()
    this.#spawn()
  }

  async call<T extends Op>(op: T): Promise<Results[T['op']]> {
    // A restore has read the state before this operation was stored, so it has to come first.
    if (this.phase === 'restoring') await this.#settled()
    if (this.phase !== 'ready') throw new DataplaneGone(this.reason ?? 'The dataplane is away.')
    const count = op.op === 'batch' ? op.ops.length : 1
    return this.#send(op, this.#deadlines.callMs + count * PER_OP_MS)
  }

  whenReady(deadlineMs: number): Promise<boolean> {
    if (this.phase === 'ready') return Promise.resolve(true)
    return new Promise(resolve => {
      const settle = () => {
        if (this.phase !== 'ready' && this.phase !== 'stopped') return
        clearTimeout(timer)
        this.#waiters.delete(settle)
        resolve(this.phase === 'ready')
      }
      const timer = setTimeout(() => {
        this.#waiters.delete(settle)
        resolve(false)
      }, deadlineMs)
      this.#waiters.add(settle)
    })
  }

  /** Test hook: ends the worker as a crash would; the client starts another. */
  async terminate(): Promise<void> {
    await this.#link?.worker.terminate()
  }

  /** Ends a worker that is not what it should be; another one is given everything. */
  replace(reason: string): void {
    if (this.#link !== null) this.#kill(this.#link, reason)
  }

  async stop(): Promise<void> {
    const link = this.#link
    const alive = this.phase === 'ready'
    const gone = link === null ? Promise.resolve() : this.#exited(link)
    const said = alive ? this.#send({ op: 'stop' }, 2000).catch(() => undefined) : undefined
    this.#enter('stopped', 'The dataplane has been stopped.')
    if (this.#respawn) clearTimeout(this.#respawn)
    this.#heartbeat?.()
    await said
    if (link === null) return
    const late = setTimeout(() => void link.worker.terminate(), alive ? 2000 : 0)
    await gone
    clearTimeout(late)
  }

  #spawn(): void {
    const { port1, port2 } = new MessageChannel()
    const { memory, worker: settings, spawn = spawnWorker } = this.#options
    this.#enter('starting', this.reason ?? 'The dataplane is starting.')
    const worker = spawn({ ...settings, memory, control: port2 })
    const link: Link = {
      worker,
      port: port1,
      wakeDescriptor: -1,
      startedAtMs: performance.now(),
      startTimer: null,
    }
    this.#link = link
    link.startTimer = setTimeout(
      () => this.#kill(link, 'The dataplane did not come up in time.'),
      this.#deadlines.readyMs,
    )
    port1.on('message', (message: Reply | Event) => this.#receive(link, message))
    // The worker keeps the process alive, its messages need not.
    port1.unref()
    worker.on('error', error => {
      this.reason = `The dataplane failed: ${messageOf(error)}`
      this.#logger.error({ err: error }, 'dataplane failed')
    })
    worker.on('exit', code => this.#exit(link, code))
  }

  #receive(link: Link, message: Reply | Event): void {
    if (link !== this.#link) return
    if ('event' in message) this.#event(link, message)
    else {
      const pending = this.#pending.get(message.id)
      if (pending === undefined) return
      this.#pending.delete(message.id)
      clearTimeout(pending.timer)
      if (message.ok) pending.resolve(message.result)
      else pending.reject(new OpRefused(message.code, message.detail))
    }
  }

  #event(link: Link, message: Event): void {
    if (message.event === 'log') {
      this.#logger[message.level]({ ...message.fields }, message.message)
    } else if (message.event === 'fault') {
      this.#logger.error({ detail: message.detail, fatal: message.fatal }, 'dataplane fault')
      if (message.fatal) this.reason = `The dataplane failed: ${message.detail}`
    } else {
      link.wakeDescriptor = message.wakeDescriptor
      this.ports = message.ports
      if (link.startTimer) clearTimeout(link.startTimer)
      this.#logger.info('dataplane started')
      // Stopped while it came up: it is going to be ended, and nothing is to follow it.
      if (this.phase !== 'stopped') void this.#bringUp(link)
    }
  }

  async #bringUp(link: Link): Promise<void> {
    this.#enter('restoring', 'The dataplane is being given its configuration.')
    try {
      await this.#restore(op => this.#send(op, this.#deadlines.restoreMs, link))
      if (link === this.#link && this.phase === 'restoring') this.#enter('ready', null)
    } catch (error) {
      this.#logger.error({ err: error }, 'dataplane could not be given its configuration')
      this.#kill(link, `The dataplane could not be given its configuration: ${messageOf(error)}`)
    }
  }

  /** `to`: a worker that is gone gets nothing, and neither does the one that has its place. */
  #send<T extends Op>(op: T, deadlineMs: number, to = this.#link): Promise<Results[T['op']]> {
    const link = this.#link
    if (link === null || link !== to)
      return Promise.reject(new DataplaneGone('The dataplane is away.'))
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      // After a missed deadline nobody knows what the worker did: another one starts from the truth.
      const late = () => this.#kill(link, `The dataplane did not answer '${op.op}' in time.`)
      const timer = setTimeout(late, deadlineMs)
      this.#pending.set(id, {
        resolve: result => resolve(result as Results[T['op']]),
        reject,
        timer,
      })
      for (const request of parts({ id, ...op })) {
        link.port.postMessage(request)
        this.#wake(link)
      }
    })
  }

  /** The worker never returns to its event loop: it looks for messages when this word has changed. */
  #wake(link: Link): void {
    Atomics.add(this.#control, MESSAGES, 1)
    if (link.wakeDescriptor < 0) return
    try {
      writeSync(link.wakeDescriptor, ONE)
    } catch (error) {
      this.#logger.warn({ err: error }, 'the dataplane could not be woken')
    }
  }

  #kill(link: Link, reason: string): void {
    if (link !== this.#link) return
    this.reason = reason
    this.#logger.error({ reason }, 'dataplane is replaced')
    // Its descriptor may belong to somebody else as soon as it is gone.
    link.wakeDescriptor = -1
    if (this.phase !== 'stopped') this.#enter('down', reason)
    this.#rejectAll(reason)
    void link.worker.terminate()
  }

  #exit(link: Link, code: number): void {
    link.wakeDescriptor = -1
    link.port.close()
    if (link.startTimer) clearTimeout(link.startTimer)
    if (link !== this.#link) return
    this.#link = null
    const reason = this.reason ?? `The dataplane ended unexpectedly (code ${code}).`
    this.#rejectAll(reason)
    if (this.phase === 'stopped') return
    this.#logger.error({ code, reason }, 'dataplane ended; starting another')
    this.#enter('down', reason)
    const lived = performance.now() - link.startedAtMs
    this.#failures = lived > STABLE_MS ? 0 : this.#failures + 1
    this.restarts++
    const pauseMs = this.#failures <= 1 ? 0 : 50 * 2 ** Math.min(this.#failures, 16)
    this.#respawn = setTimeout(() => this.#spawn(), Math.min(pauseMs, this.#deadlines.backoffMaxMs))
  }

  #rejectAll(reason: string): void {
    const all = [...this.#pending.values()]
    this.#pending.clear()
    for (const { reject, timer } of all) {
      clearTimeout(timer)
      reject(new DataplaneGone(reason))
    }
  }

  #enter(phase: Phase, reason: string | null): void {
    this.phase = phase
    this.reason = reason
    this.#options.onPhase?.(phase, reason)
    for (const settle of [...this.#waiters]) settle()
  }

  /** Resolves when the phase is no longer `restoring`. */
  #settled(): Promise<void> {
    return new Promise(resolve => {
      const settle = () => {
        if (this.phase === 'restoring') return
        this.#waiters.delete(settle)
        resolve()
      }
      this.#waiters.add(settle)
    })
  }

  #exited(link: Link): Promise<void> {
    return new Promise(resolve => link.worker.on('exit', () => resolve()))
  }

  #watch(): void {
    let last = Atomics.load(this.#control, HEARTBEAT)
    let still = 0
    const everyMs = this.#deadlines.heartbeatMs / 10
    const every = this.#options.every ?? repeat
    this.#heartbeat = every(everyMs, () => {
      const now = Atomics.load(this.#control, HEARTBEAT)
      // The first tick after a pause of the main thread proves nothing: ten in a row are needed.
      still = now === last && this.phase === 'ready' ? still + 1 : 0
      last = now
      if (still < 10 || this.#link === null) return
      still = 0
      this.#kill(this.#link, 'The dataplane hangs.')
    })
  }
}

/** Calls `work` again and again, without keeping the process alive; returns what ends it. */
function repeat(everyMs: number, work: () => void): () => void {
  const timer = setInterval(work, everyMs)
  timer.unref()
  return () => clearInterval(timer)
}

function spawnWorker(config: WorkerConfig): Worker {
  return new Worker(new URL('../../dataplane/worker.js', import.meta.url), {
    workerData: config,
    transferList: [config.control],
    name: 'dataplane',
    resourceLimits: RESOURCES,
  })
}
