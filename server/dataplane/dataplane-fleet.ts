/**
 * Several workers that share the traffic, seen as one dataplane. Each has a client of its own, which
 * starts it, watches it and replaces it alone; the others go on meanwhile.
 *
 * An operation goes to one worker first. Its answer names the rows of statistics, which the others
 * are told to use, so that a real server has the same row everywhere and its connections can be
 * summed. Operations and restores take turns, so every worker sees them in one order: a worker that
 * is away during an operation is left out, and its restore, which waits for its turn, has it from
 * the database.
 */
import type { Logger } from 'pino'
import type { Op, PortInfo, RestoredService, Results } from '../../dataplane/protocol.js'
import type { ServiceRows, SharedMemory, WorkerConfig } from '../../dataplane/protocol.js'
import { allocate } from '../../dataplane/shared/memory.js'
import { allocateQueue } from '../../dataplane/shared/packet-queue.js'
import { DataplaneClient, DataplaneGone, OpRefused } from './dataplane-client.js'
import type { Call, Dataplane, DataplaneOptions, Phase } from './dataplane-client.js'
import { endpointOf, keyText } from '../documents/service-key.js'

/** Between each two workers: a thousand packets; touched only when used. */
const QUEUE_OCTETS = 1 << 21

export interface FleetOptions extends Omit<DataplaneOptions, 'memory' | 'worker'> {
  count: number
  connsMax: number
  worker: Pick<WorkerConfig, 'driver' | 'interfaces' | 'busyPollUs'>
  logger: Logger
}

/** The worse comes first. */
const PHASES: readonly Phase[] = ['stopped', 'down', 'idle', 'starting', 'restoring']

export class DataplaneFleet implements Dataplane {
  readonly memories: readonly SharedMemory[]
  readonly #members: readonly DataplaneClient[]
  #turn: Promise<void> = Promise.resolve()
  #restore: (call: Call) => Promise<void> = async () => undefined

  constructor({ count, connsMax, worker, logger, ...options }: FleetOptions) {
    const memories = Array.from({ length: count }, () => allocate(connsMax))
    const queues = memories.map((_, from) =>
      memories.map((_, to) => (from === to ? null : allocateQueue(QUEUE_OCTETS))),
    )
    this.memories = memories
    this.#members = memories.map((memory, index) => {
      const crew = { index, memories, queues }
      const log = logger.child({ worker: index })
      return new DataplaneClient({ ...options, memory, worker: { ...worker, crew }, logger: log })
    })
  }

  get memory(): SharedMemory {
    return this.memories[0]!
  }
  get ports(): readonly PortInfo[] {
    return this.#members[0]!.ports
  }
  /** How many workers have been started after the first ones. */
  get restarts(): number {
    return this.#members.reduce((sum, { restarts }) => sum + restarts, 0)
  }
  get phase(): Phase {
    return PHASES.find(phase => this.#members.some(member => member.phase === phase)) ?? 'ready'
  }
  get reason(): string | null {
    const { phase } = this
    const index = this.#members.findIndex(member => member.phase === phase)
    const reason = this.#members[index]?.reason ?? null
    return reason === null ? null : `Worker ${index}: ${reason}`
  }

  start(restore: (call: Call) => Promise<void>): void {
    this.#restore = restore
    for (const member of this.#members) member.start(call => this.#restoreOne(member, call))
  }

  async call<T extends Op>(op: T): Promise<Results[T['op']]> {
    // As one worker's client does: what is being restored was read before this was stored.
    while (this.phase === 'restoring') await this.#inTurn(async () => undefined)
    if (this.phase !== 'ready') throw new DataplaneGone(this.reason ?? 'The dataplane is away.')
    return this.#inTurn(() => this.#carryOut(op))
  }

  async whenReady(deadlineMs: number): Promise<boolean> {
    const untilMs = performance.now() + deadlineMs
    while (this.phase !== 'ready' && this.phase !== 'stopped' && performance.now() < untilMs) {
      const leftMs = untilMs - performance.now()
      await Promise.all(this.#members.map(member => member.whenReady(leftMs)))
    }
    return this.phase === 'ready'
  }

  /** Test hook: ends a worker as a crash would. */
  terminate(index = 0): Promise<void> {
    return this.#members[index]!.terminate()
  }

  async stop(): Promise<void> {
    await Promise.all(this.#members.map(member => member.stop()))
  }

  /** One at a time, in the order of the calls. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.then(ignore, ignore)
    return done
  }

  /** What is to be restored is read at once, but given when what came before has been carried out. */
  #restoreOne(member: DataplaneClient, call: Call): Promise<void> {
    const before = this.#turn
    const restored = this.#restore(async op => {
      await before
      return call(op.op === 'restore' ? await this.#likeOthers(op, member) : op)
    })
    this.#turn = restored.then(ignore, ignore)
    return restored
  }

  async #carryOut<T extends Op>(op: T): Promise<Results[T['op']]> {
    if (op.op === 'guarded') return (await this.#anyHolds(op)) as Results[T['op']]
    if (op.op === 'killProgress') return (await this.#killed(op)) as Results[T['op']]
    // A probe is of no configuration: a worker that has no room for it need not be replaced.
    if (op.op === 'openProbe' || op.op === 'closeProbe') {
      await Promise.all(this.#ready().map(member => member.call(op)))
      return null as Results[T['op']]
    }
    const { leader, result } = await this.#first(op)
    if (op.op === 'simulate') {
      const { worker, ...told } = result as Results['simulate']
      const owner = worker === undefined ? undefined : this.#members[worker]
      return (owner === undefined ? told : await owner.call(op)) as Results[T['op']]
    }
    // Neighbours need to hear of an address once only.
    if (op.op === 'announce') return result
    const others = this.#ready().filter(member => member !== leader)
    const like = withRows(op, result)
    await Promise.all(others.map(member => this.#follow(member, like)))
    return result
  }

  /** The first worker that answers; one that dies over it is left to its restore. */
  async #first<T extends Op>(op: T) {
    let gone: unknown = new DataplaneGone('The dataplane is away.')
    for (const leader of this.#ready()) {
      try {
        return { leader, result: await leader.call(op) }
      } catch (error) {
        if (!(error instanceof DataplaneGone)) throw error
        gone = error
      }
    }
    throw gone
  }

  async #follow(member: DataplaneClient, op: Op): Promise<void> {
    try {
      await member.call(op)
    } catch (error) {
      if (error instanceof OpRefused)
        member.replace(`It refused what others did: ${error.message} (${error.code})`)
      else if (!(error instanceof DataplaneGone)) throw error
    }
  }

  async #anyHolds(op: Extract<Op, { op: 'guarded' }>): Promise<Results['guarded']> {
    const answers = await Promise.all(this.#ready().map(member => member.call(op)))
    return { held: op.endpoints.map((_, i) => answers.some(({ held }) => held[i] === true)) }
  }

  /** Each kills its own. */
  async #killed(op: Extract<Op, { op: 'killProgress' }>): Promise<Results['killProgress']> {
    const parts = await Promise.all(this.#ready().map(member => member.call(op)))
    return {
      known: parts.every(({ known }) => known),
      done: parts.every(({ done }) => done),
      connections: parts.reduce((sum, { connections }) => sum + connections, 0),
      templates: parts.reduce((sum, { templates }) => sum + templates, 0),
    }
  }

  /** The same rows as where it already is. */
  async #likeOthers<T extends Op>(op: T, member: DataplaneClient): Promise<T> {
    const other = this.#ready().find(each => each !== member)
    if (op.op !== 'restore' || other === undefined) return op
    const { services } = await other.call({ op: 'rows' })
    const rows = new Map(services.map(each => [keyText(each.key), each.rows]))
    return { ...op, services: op.services.map(each => placed(each, rows)) }
  }

  #ready(): DataplaneClient[] {
    return this.#members.filter(member => member.phase === 'ready')
  }
}

function placed(restored: RestoredService, rows: ReadonlyMap<string, ServiceRows>) {
  const found = rows.get(keyText(restored.service.key))
  if (found === undefined) return restored
  const dests = new Map(found.dests.map(each => [endpointOf(each), each.row]))
  return {
    service: restored.service,
    row: found.row,
    dests: restored.dests.map(({ dest, row }) => ({
      dest,
      row: dests.get(endpointOf(dest)) ?? row,
    })),
  }
}

/** The operation, with the rows that `result` says. */
function withRows(op: Op, result: unknown): Op {
  if (op.op === 'batch') {
    const { rows } = result as Results['batch']
    return { op: 'batch', ops: op.ops.map((each, i) => withRows(each, { row: rows[i]! })) }
  }
  if (op.op !== 'addService' && op.op !== 'addDest') return op
  return { ...op, row: (result as { row: number }).row }
}

const ignore = (): void => undefined
