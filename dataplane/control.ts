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

/** What takes a change back, newest first. */
type Undo = () => void

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
      batch: op => ({ results: this.#batch(op.ops) }),
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
      ping: () => ({ nowMs: nowMs() }),
      stop: () => done(onStop()),
    }
  }

  /** Never throws: an op that cannot be carried out is answered with its code. */
  answer(request: Request): Reply {
    const { id } = request
    try {
      const result = this.#run(request)
      if (ADDS_SERVERS.has(request.op)) this.#onConfigured()
      return { id, ok: true, result }
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

  /** All or nothing: a failing op takes back those before it. */
  #batch(ops: readonly Op[]): unknown[] {
    const undo: Undo[] = []
    const results: unknown[] = []
    try {
      for (const op of ops) {
        const inverse = this.#inverse(op)
        results.push(this.#run(op))
        undo.push(inverse)
      }
    } catch (error) {
      for (const step of undo.reverse()) step()
      throw error
    }
    return results
  }

  /** Looked up before the op runs, because it describes what the op is about to change. */
  #inverse(op: Op): Undo {
    const { admin } = this.#ipvs
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
        return () => void admin.addDest(op.key, before)
      }
      case 'setSettings': {
        const before = this.#ipvs.configuration()
        return () => this.#ipvs.configure(before)
      }
      case 'setMarkRules': {
        const before = this.#ipvs.marks.rules
        return () => this.#ipvs.marks.set(before)
      }
      case 'batch':
      case 'restore':
      case 'rows':
      case 'flush':
      case 'zero':
      case 'guarded':
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
