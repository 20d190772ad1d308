/**
 * Many operations as one: no packet sees half of them, none is kept waiting for all of them. A hundred
 * thousand take half a second, so the work is done in slices between bursts of packets:
 *
 *   prepare   new services are built with their real servers, where no packet finds them
 *   commit    in one go: everything else in its order, then the new services are shown
 *   clear     real servers of deleted services are unlinked, which no packet meets any more
 *
 * An operation that fails takes back those before it. What cannot be prepared (no row is left, or
 * it needs what the batch deletes) is carried out whole in the commit.
 */
import type { Ipvs } from './ipvs/ipvs.js'
import type { Service } from './ipvs/service.js'
import { OpError } from './op-error.js'
import type { Op, ServiceKey } from './protocol.js'

/** What takes a change back. */
type Undo = () => void
/** Between two looks at the clock. */
const OPS_PER_LOOK = 8

interface BatchOptions {
  ipvs: Ipvs
  ops: readonly Op[]
  /** Carries out one operation alone; throws OpError. */
  run: (op: Op) => unknown
}

export class Batch {
  /** Of each operation, 0 where it has none. */
  readonly rows: Int32Array
  readonly #ipvs: Ipvs
  readonly #ops: readonly Op[]
  readonly #run: (op: Op) => unknown
  readonly #fresh = new Map<string, Service>()
  /** Positions of what is left for the commit. */
  #deferred: number[] = []
  readonly #deleted: Service[] = []
  #prepared = 0
  #cleared = 0
  #committed = false
  /** Nothing could be prepared. */
  #whole = false

  constructor({ ipvs, ops, run }: BatchOptions) {
    this.#ipvs = ipvs
    this.#ops = ops
    this.#run = run
    this.rows = new Int32Array(ops.length)
  }

  /** Works on while `goesOn` says so; true when all is done. Throws OpError: nothing has changed. */
  step(goesOn: () => boolean): boolean {
    while (this.#prepared < this.#ops.length) {
      for (let n = 0; n < OPS_PER_LOOK && this.#prepared < this.#ops.length; n++)
        this.#prepareNext()
      if (!goesOn()) return false
    }
    if (!this.#committed) this.#commit()
    while (this.#cleared < this.#deleted.length) {
      this.#ipvs.admin.clearService(this.#deleted[this.#cleared++]!)
      if (!goesOn() && this.#cleared < this.#deleted.length) return false
    }
    return true
  }

  #prepareNext(): void {
    const i = this.#prepared++
    const op = this.#ops[i]!
    try {
      if (this.#prepare(op, i)) return
    } catch (error) {
      if (!(error instanceof OpError)) throw error
      this.#postponeAll()
      return
    }
    this.#deferred.push(i)
  }

  /** False when it has to wait for the commit. */
  #prepare(op: Op, i: number): boolean {
    const { admin } = this.#ipvs
    const key = keyOf(op)
    if (key === null) return false
    const text = textOf(key)
    if (op.op === 'addService') {
      // It may be deleted first: then its real servers have to be in the trash by now.
      if (admin.has(key) || this.#fresh.has(text))
        throw new OpError('EEXIST', 'the virtual service already exists')
      const service = admin.prepareService(op.service, op.row)
      this.rows[i] = service.row
      this.#fresh.set(text, service)
      return true
    }
    const service = this.#fresh.get(text)
    if (service === undefined) return false
    if (op.op !== 'addDest') throw new OpError('EINVAL', 'it changes what is only being made')
    this.rows[i] = admin.addDestTo(service, op.dest, null, op.row).row
    return true
  }

  /** Gives up what was prepared: the commit does all of it. */
  #postponeAll(): void {
    this.#discard()
    this.#whole = true
    this.#deferred = this.#ops.map((_, i) => i)
    this.#prepared = this.#ops.length
  }

  #discard(): void {
    for (const service of this.#fresh.values()) this.#ipvs.admin.clearService(service)
    this.#fresh.clear()
  }

  #commit(): void {
    const undo: Undo[] = []
    try {
      for (const i of this.#deferred) this.#carryOut(i, undo)
    } catch (error) {
      this.#deleted.length = 0
      for (const step of undo.reverse()) step()
      this.#discard()
      throw error
    }
    for (const service of this.#fresh.values()) this.#ipvs.admin.showService(service)
    this.#committed = true
  }

  #carryOut(i: number, undo: Undo[]): void {
    const op = this.#ops[i]!
    if (op.op === 'delService' && !this.#whole) {
      const { admin } = this.#ipvs
      const service = admin.service(op.key)
      admin.hideService(service)
      this.#deleted.push(service)
      undo.push(() => admin.showService(service))
      return
    }
    // Looked up before it runs, because it describes what the operation is about to change.
    const inverse = inverseOf(this.#ipvs, op)
    const result = this.#run(op) as { row?: number } | null
    this.rows[i] = result?.row ?? 0
    undo.push(inverse)
  }
}

function inverseOf(ipvs: Ipvs, op: Op): Undo {
  const { admin } = ipvs
  switch (op.op) {
    case 'addService':
      return () => admin.delService(op.service.key)
    case 'editService': {
      const before = admin.describeService(op.service.key)
      return () => void admin.editService(before.service)
    }
    case 'delService': {
      const before = admin.describeService(op.key)
      return () => {
        admin.addService(before.service)
        for (const dest of before.dests) admin.addDest(op.key, dest)
      }
    }
    case 'addDest':
      return () => admin.delDest(op.key, op.dest)
    case 'editDest': {
      const before = admin.describeDest(op.key, op.dest)
      return () => void admin.editDest(op.key, before)
    }
    case 'delDest': {
      const before = admin.describeDest(op.key, op.dest)
      const order = admin.destsOf(op.key)
      return () => {
        admin.addDest(op.key, before)
        admin.orderDests(op.key, order)
      }
    }
    case 'orderDests': {
      const order = admin.destsOf(op.key)
      return () => admin.orderDests(op.key, order)
    }
    case 'setSettings': {
      const before = ipvs.configuration()
      return () => ipvs.configure(before)
    }
    case 'setMarkRules': {
      const before = ipvs.marks.rules
      return () => ipvs.marks.set(before)
    }
    case 'batch':
    case 'stage':
    case 'restore':
    case 'rows':
    case 'flush':
    case 'zero':
    case 'guarded':
    case 'openProbe':
    case 'closeProbe':
    case 'announce':
    case 'startKill':
    case 'killProgress':
    case 'simulate':
    case 'ping':
    case 'stop':
      throw new OpError('EINVAL', `a batch cannot hold '${op.op}'`)
    default:
      return op satisfies never
  }
}

const keyOf = (op: Op): ServiceKey | null =>
  op.op === 'addService' || op.op === 'editService' ? op.service.key : 'key' in op ? op.key : null

const textOf = (key: ServiceKey): string =>
  'fwmark' in key
    ? `${key.family} ${key.fwmark}`
    : `${key.family} ${key.protocol} ${key.address} ${key.port}`
