import { Batch } from './batch.js'
import { announce } from './net/announce.js'
import type { Ipvs } from './ipvs/ipvs.js'
import { OpError } from './op-error.js'
import { Role } from './ipvs/guarded.js'
import type { MarkRule } from './ipvs/mark-rules.js'
import type { GuardedEndpoint, MarkRuleConfig, Op, Reply, Request, Results } from './protocol.js'
import type { Driver } from './driver/driver.js'
import { simulate } from './simulation/simulate.js'
import * as address from './wire/address.js'

type Handlers = {
  readonly [K in Op['op']]: (op: Extract<Op, { op: K }>) => Results[K]
}

export interface ControlOptions {
  ipvs: Ipvs
  driver: Driver
  nowMs: () => number
  /** What follows a change of configuration, before it is answered. */
  onConfigured?: () => void
  /** Ends the loop after this turn. */
  onStop: () => void
}

/** Carries out control messages between two turns of the engine, so no packet sees half a change. */
export class Control {
  readonly #handlers: Handlers
  readonly #ipvs: Ipvs
  readonly #onConfigured: () => void
  /** Of a batch that comes in parts. */
  #staged: Op[] = []
  #running: { id: number; batch: Batch } | null = null

  constructor({ ipvs, driver, nowMs, onConfigured, onStop }: ControlOptions) {
    const { admin } = ipvs
    this.#ipvs = ipvs
    this.#onConfigured = onConfigured ?? (() => {})
    this.#handlers = {
      addService: op => admin.addService(op.service, null, op.row),
      editService: op => admin.editService(op.service),
      delService: op => done(admin.delService(op.key)),
      addDest: op => admin.addDest(op.key, op.dest, null, op.row),
      editDest: op => admin.editDest(op.key, op.dest),
      delDest: op => done(admin.delDest(op.key, op.dest)),
      orderDests: op => done(admin.orderDests(op.key, op.dests)),
      batch: op => ({ rows: this.#all(op.ops) }),
      stage: op => done(void this.#staged.push(...op.ops)),
      restore: op => {
        if (op.settings) ipvs.configure(op.settings)
        if (op.markRules) ipvs.marks.set(markRules(op.markRules, driver))
        return ipvs.restore(op.services)
      },
      rows: () => ({ services: admin.rows() }),
      flush: () => done(admin.flush()),
      zero: op => done(admin.zero(op.key)),
      setSettings: op => done(ipvs.configure(op.settings)),
      setMarkRules: op => done(ipvs.marks.set(markRules(op.rules, driver))),
      guarded: op => ({ held: op.endpoints.map(each => isGuarded(ipvs, each)) }),
      announce: op => done(announceOn(driver, op.address, op.interface)),
      startKill: op => done(ipvs.killer.start(op.job, op.kill)),
      killProgress: op => ipvs.killer.progress(op.job),
      simulate: op => simulate({ ipvs, ports: driver.ports, nowMs: nowMs() }, op.simulation),
      openProbe: op => done(ipvs.probes.open(op.probe)),
      closeProbe: op => done(ipvs.probes.close(op.probe)),
      ping: () => ({ nowMs: nowMs() }),
      stop: () => done(onStop()),
    }
  }

  /** Whether there is an operation to go on with before the next one is taken. */
  get busy(): boolean {
    return this.#running !== null
  }

  /** Never throws: an op that cannot be carried out is answered with its code. */
  answer(request: Request): Reply {
    return this.#replyTo(request.id, () => {
      const result = this.#run(request)
      if (ADDS_SERVERS.has(request.op)) this.#onConfigured()
      return result
    })
  }

  /** As `answer`, but what takes long is only begun, and a part of a batch is not answered: null. */
  begin(request: Request): Reply | null {
    if (request.op === 'stage') {
      this.#staged.push(...request.ops)
      return null
    }
    if (request.op !== 'batch') return this.answer(request)
    this.#running = { id: request.id, batch: this.#batch(request.ops) }
    return null
  }

  /** Goes on with what was begun while `goesOn` says so; the answer, null when it has to wait. */
  step(goesOn: () => boolean): Reply | null {
    const { id, batch } = this.#running!
    let done = true
    const reply = this.#replyTo(id, () => {
      done = batch.step(goesOn)
      if (done) this.#onConfigured()
      return { rows: batch.rows }
    })
    if (!done) return null
    this.#running = null
    return reply
  }

  #replyTo(id: number, work: () => unknown): Reply {
    try {
      return { id, ok: true, result: work() }
    } catch (error) {
      if (error instanceof OpError)
        return { id, ok: false, code: error.code, detail: error.message }
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
      return { id, ok: false, code: 'EIO', detail }
    }
  }

  #run<K extends Op['op']>(op: Extract<Op, { op: K }>): Results[K] {
    const handler = this.#handlers[op.op] as (op: Extract<Op, { op: K }>) => Results[K]
    return handler(op)
  }

  #all(ops: readonly Op[]): Int32Array {
    const batch = this.#batch(ops)
    batch.step(() => true)
    return batch.rows
  }

  #batch(ops: readonly Op[]): Batch {
    const all = this.#staged.length === 0 ? ops : [...this.#staged, ...ops]
    this.#staged = []
    return new Batch({ ipvs: this.#ipvs, ops: all, run: op => this.#run(op) })
  }
}

const done = (_: void): null => null

const ADDS_SERVERS = new Set<Op['op']>(['addDest', 'editDest', 'batch', 'restore'])

function markRules(rules: readonly MarkRuleConfig[], driver: Driver): MarkRule[] {
  return rules.map(rule => {
    const port = driver.ports.find(p => p.name === rule.interface)
    if (rule.interface !== null && port === undefined) {
      throw new OpError('ENODEV', `no such port: ${rule.interface}`)
    }
    return {
      ...{ mark: rule.mark, family: rule.family === 'ipv4' ? 4 : 6, protocol: rule.protocol },
      ...{ source: prefixOf(rule.source), destination: prefixOf(rule.destination) },
      ...{ sourcePorts: rule.sourcePorts, destinationPorts: rule.destinationPorts },
      port: port?.index ?? null,
    }
  })
}

const PROTOCOL_NUMBERS = { tcp: 6, udp: 17, sctp: 132 } as const

function isGuarded(ipvs: Ipvs, endpoint: GuardedEndpoint): boolean {
  const parsed = address.parse(endpoint.address)
  if (parsed === null) throw new OpError('EINVAL', `'${endpoint.address}' is not an IP address`)
  const { guarded } = ipvs
  const { role, port, ftp = false } = endpoint
  const protocol = PROTOCOL_NUMBERS[endpoint.protocol]
  if (!guarded.holds(Role[role], parsed, protocol, port)) return false
  if (!ftp) return true
  if (role === 'vip') return guarded.isFtp(protocol, port)
  return port === 1 || guarded.holds(Role.real, parsed, protocol, port - 1)
}

function prefixOf(text: string | null): address.Prefix | null {
  if (text === null) return null
  const prefix = address.parsePrefix(text)
  if (prefix === null) throw new OpError('EINVAL', `'${text}' is not a prefix`)
  return prefix
}

function announceOn(driver: Driver, text: string, interfaceName: string): void {
  const port = driver.ports.find(p => p.name === interfaceName)
  if (port === undefined) throw new OpError('ENODEV', `no such port: ${interfaceName}`)
  const parsed = address.parse(text)
  if (parsed === null) throw new OpError('EINVAL', `'${text}' is not an IP address`)
  announce(port, parsed)
}
