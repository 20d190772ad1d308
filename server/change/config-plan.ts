/** The whole configuration as a client wrote it, noted in a draft; or every fault in it. */
import { escapePointer, Problem, problemOf, type Fault } from '../errors.js'
import type { FaultCode } from '../faults.js'
import { FAULTS_MAX } from '../documents/findings.js'
import type { Ground } from './ground.js'
import type { HealthCheckControl } from '../control/health-check-control.js'
import type { MarkRuleControl } from '../control/mark-rule-control.js'
import { ConfigurationOutline } from '../schemas/configuration.js'
import { faultsOf, isObject } from '../schemas/walk.js'
import { serviceFaults, setService } from './service-plans.js'
import { putSettings } from '../control/settings-control.js'
import type { Places } from '../documents/whole-document.js'

export interface ConfigPlanOptions {
  rules: MarkRuleControl
  checks: HealthCheckControl
  /** What was once stored may name interfaces of another day. */
  lenient?: boolean
  /** Where everything goes in the dataplane's lists; what is new goes to their ends when absent. */
  places?: Places
}

/** What the document leaves out is not there, or has its default. Throws a Problem. */
export function planConfiguration(
  ground: Ground,
  body: unknown,
  { rules, checks, lenient = false, places }: ConfigPlanOptions,
): void {
  const faults = faultsOf(ConfigurationOutline, body)
  if (!isObject(body) || faults.length > 0) throw problemOf(faults)
  const { draft } = ground
  const services = membersOf(body.virtualServices)
  const markRules = membersOf(body.markRules)
  const healthChecks = membersOf(body.healthChecks)
  for (const { name } of [...draft.services()])
    if (!services.has(name)) draft.setService(name, null)
  for (const { name } of [...draft.markRules()])
    if (!markRules.has(name)) draft.setMarkRule(name, null)
  for (const { name } of [...draft.healthChecks()])
    if (!healthChecks.has(name)) draft.setHealthCheck(name, null)
  for (const [name, document] of services) {
    if (faults.length >= FAULTS_MAX) break
    collect(faults, `/virtualServices/${escapePointer(name)}`, () =>
      setService(ground, name, document, {}, places),
    )
  }
  for (const [name, document] of markRules)
    collect(faults, `/markRules/${escapePointer(name)}`, () =>
      rules.putRule(ground, name, document, null, lenient),
    )
  for (const [name, document] of healthChecks)
    collect(faults, `/healthChecks/${escapePointer(name)}`, () =>
      checks.putCheck(ground, name, document, null),
    )
  collect(faults, '/settings', () => putSettings(ground, body.settings ?? {}, null))
  if (faults.length === 0) faults.push(...rivals(ground, services.keys()))
  const isWhole = faults.length === 0
  for (const name of healthChecks.keys()) {
    const fault = isWhole ? checks.fault(ground, name) : null
    if (fault !== null) faults.push(under(`/healthChecks/${escapePointer(name)}`, fault))
  }
  if (faults.length > 0) throw problemOf(faults.slice(0, FAULTS_MAX))
}

/**
 * Each pair of services that take the same packets, told once for each of them, and what they ask of
 * checks that cannot be.
 */
function rivals({ draft }: Ground, names: Iterable<string>): Fault[] {
  return [...names].flatMap(name => {
    const service = draft.service(name)
    const faults = service === null ? [] : serviceFaults(draft, service)
    return faults.map(fault => under(`/virtualServices/${escapePointer(name)}`, fault))
  })
}

const membersOf = (value: unknown): ReadonlyMap<string, unknown> =>
  new Map(isObject(value) ? Object.entries(value) : [])

/** Runs `work`; what it finds wrong is added with its place in the whole. */
export function collect(faults: Fault[], pointer: string, work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    faults.push(...faultsIn(error).map(fault => under(pointer, fault)))
  }
}

/** A problem without faults of its own is one itself. */
function faultsIn(problem: Problem): readonly Fault[] {
  if (problem.errors.length > 0) return problem.errors
  return [{ pointer: '', code: problem.code as FaultCode, detail: problem.message }]
}

const under = (pointer: string, { parameter: _, ...fault }: Fault): Fault => ({
  ...fault,
  pointer: `${pointer}${fault.pointer ?? ''}`,
})
