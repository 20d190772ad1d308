/** A list of changes noted in one draft: all of them, or every fault with its place in the list. */
import { collect } from './config-plan.js'
import { problemOf, type Fault } from '../errors.js'
import type { HealthCheckControl } from '../control/health-check-control.js'
import { healthCheckNotFound } from '../control/health-check-control.js'
import { FAULTS_MAX } from '../documents/findings.js'
import type { Ground } from './ground.js'
import type { MarkRuleControl } from '../control/mark-rule-control.js'
import { markRuleNotFound } from '../control/mark-rule-control.js'
import { isValidName } from '../schemas/common.js'
import { ChangeList } from '../schemas/configuration.js'
import { faultsOf, quote } from '../schemas/walk.js'
import * as services from './service-plans.js'
import { patchSettings, putSettings, settingsFaults } from '../control/settings-control.js'

interface Change {
  op: 'put' | 'patch' | 'delete'
  path: string
  value?: unknown
  ifMatch?: string
}

/** What a path stands for, and what can be done there. */
type Write = (ground: Ground, change: Change) => void
interface Target {
  put: Write | null
  patch: Write | null
  delete: Write | null
  /** Service that the change touches, when it touches one. */
  service?: string
  /** Health check that it touches, when it touches one. */
  check?: string
}

export interface Kinds {
  rules: MarkRuleControl
  checks: HealthCheckControl
}

export function planChanges(ground: Ground, body: unknown, kinds: Kinds): void {
  const faults = faultsOf(ChangeList, body)
  if (faults.length > 0) throw problemOf(faults)
  const before = ground.draft.settings()
  /** Where each service and each check was last written. */
  const written = new Map<string, number>()
  const checked = new Map<string, number>()
  for (const [i, change] of (body as Change[]).entries()) {
    if (faults.length >= FAULTS_MAX) break
    const target = targetOf(change.path, kinds)
    const fault = target === null ? badPath(change.path) : misuse(change, target)
    if (fault !== null) {
      faults.push({ ...fault, pointer: `/${i}${fault.pointer ?? ''}` })
      continue
    }
    const known = faults.length
    collect(faults, `/${i}`, () => target![change.op]!(ground, change))
    for (const each of faults.slice(known)) place(each, i)
    if (target!.service !== undefined) written.set(target!.service, i)
    if (target!.check !== undefined) checked.set(target!.check, i)
  }
  if (faults.length === 0)
    for (const [name, i] of written) {
      const service = ground.draft.service(name)
      for (const fault of service === null ? [] : services.serviceFaults(ground.draft, service))
        faults.push({ ...fault, pointer: `/${i}/value${fault.pointer ?? ''}` })
    }
  if (faults.length === 0) faults.push(...checkFaults(ground, checked, kinds.checks))
  const set = (body as Change[]).findLastIndex(({ path }) => path === '/v1/settings')
  if (faults.length === 0 && set >= 0)
    for (const fault of settingsFaults(ground.draft, before))
      faults.push({ ...fault, pointer: `/${set}/value${fault.pointer}` })
  if (faults.length > 0) throw problemOf(faults)
}

/** What is wrong with checks now that everything else is known. */
function checkFaults(
  ground: Ground,
  checked: ReadonlyMap<string, number>,
  checks: HealthCheckControl,
): Fault[] {
  return [...checked].flatMap(([name, i]): Fault[] => {
    const used = checks.inUse(ground, name)
    if (used !== null) return [{ ...used, pointer: `/${i}/path` }]
    const fault = checks.fault(ground, name)
    return fault === null ? [] : [{ ...fault, pointer: `/${i}/value${fault.pointer}` }]
  })
}

/** A fault about the document stands under `value`, one about the resource at its path or tag. */
function place(fault: Fault, i: number): void {
  const inner = fault.pointer!.slice(`/${i}`.length)
  const about: Partial<Record<string, string>> = {
    PRECONDITION_FAILED: '/ifMatch',
    SERVICE_NOT_FOUND: '/path',
    REAL_SERVER_NOT_FOUND: '/path',
    MARK_RULE_NOT_FOUND: '/path',
    HEALTH_CHECK_NOT_FOUND: '/path',
  }
  fault.pointer = `/${i}${about[fault.code] ?? `/value${inner}`}`
}

const badPath = (path: string): Fault => ({
  pointer: '/path',
  code: 'INVALID_PATH',
  detail: `${quote(path)} is no resource of the configuration.`,
  hint: 'For instance /v1/virtual-services/web/real-servers/a.',
})

function misuse({ op, path, ...change }: Change, target: Target): Fault | null {
  if (target[op] === null) {
    const detail = `${quote(path)} has no '${op}'.`
    return { pointer: '/op', code: 'INVALID_VALUE', detail }
  }
  const has = Object.hasOwn(change, 'value')
  if (op !== 'delete' && !has)
    return { pointer: '/value', code: 'MISSING_FIELD', detail: `'${op}' needs a value.` }
  if (op === 'delete' && has)
    return { pointer: '/value', code: 'CONFLICTING_FIELDS', detail: "'delete' takes no value." }
  return null
}

function targetOf(path: string, { rules, checks }: Kinds): Target | null {
  const [empty, version, kind, name, sub, server, ...rest] = path.split('/')
  if (empty !== '' || version !== 'v1' || rest.length > 0) return null
  if (kind === 'settings' && name === undefined) return SETTINGS
  if (name === undefined || !isValidName(name)) return null
  if (kind === 'mark-rules' && sub === undefined) return markRule(name, rules)
  if (kind === 'health-checks' && sub === undefined) return healthCheck(name, checks)
  if (kind !== 'virtual-services') return null
  if (sub === undefined) return service(name)
  if (sub !== 'real-servers') return null
  if (server === undefined) return serverSet(name)
  return isValidName(server) ? realServer(name, server) : null
}

const wanted = ({ ifMatch }: Change) => ({ ifMatch })

const SETTINGS: Target = {
  put: (ground, change) => void putSettings(ground, change.value, wanted(change)),
  patch: (ground, change) => void patchSettings(ground, change.value, wanted(change)),
  delete: null,
}

const markRule = (name: string, rules: MarkRuleControl): Target => ({
  put: (ground, change) => void rules.putRule(ground, name, change.value, wanted(change)),
  patch: (ground, change) => void rules.patchRule(ground, name, change.value, wanted(change)),
  delete: (ground, change) => {
    if (rules.deleteRule(ground, name, wanted(change)) === null) throw markRuleNotFound(name)
  },
})

const healthCheck = (name: string, checks: HealthCheckControl): Target => ({
  put: (ground, change) => void checks.putCheck(ground, name, change.value, wanted(change)),
  patch: (ground, change) => void checks.patchCheck(ground, name, change.value, wanted(change)),
  delete: (ground, change) => {
    if (checks.deleteCheck(ground, name, wanted(change)) === null) throw healthCheckNotFound(name)
  },
  check: name,
})

const service = (name: string): Target => ({
  put: (ground, change) => void services.putService(ground, name, change.value, wanted(change)),
  patch: (ground, change) => void services.patchService(ground, name, change.value, wanted(change)),
  delete: (ground, change) => {
    if (services.deleteService(ground, name, wanted(change)) === null)
      throw services.serviceNotFound(name)
  },
  service: name,
})

const serverSet = (name: string): Target => ({
  service: name,
  put: (ground, change) =>
    void services.putServers(ground, name, change.value, 'replace', wanted(change)),
  patch: null,
  delete: null,
})

const realServer = (name: string, server: string): Target => ({
  service: name,
  put: (ground, change) =>
    void services.putServer(ground, name, server, change.value, wanted(change)),
  patch: (ground, change) =>
    void services.patchServer(ground, name, server, change.value, wanted(change)),
  delete: (ground, change) => {
    if (services.deleteServer(ground, name, server, wanted(change)) === null)
      throw services.serverNotFound(name, server)
  },
})
