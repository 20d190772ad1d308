/** `healthChecks` of a virtual service and of a real server, complete and normalised. */
import type { Fields } from '../documents/fields.js'
import type { CheckFields } from '../schemas/health-check-fields.js'
import type { ServerCheckFields, ServiceCheckFields } from '../schemas/service-checks.js'
import { isValidName } from '../schemas/common.js'
import { quote } from '../schemas/walk.js'
import { addressOf, checkOf } from './check-document.js'

/** Undefined: nothing checks its real servers. */
export function serviceChecksOf(fields: Fields): ServiceCheckFields | undefined {
  const inner = fields.inner('healthChecks')
  if (inner === null) return undefined
  const { named = [], inline = {} } = listsOf(inner)
  const required = inner.get<number>('required')
  const count = named.length + Object.keys(inline).length
  if (count === 0 && required === undefined) return undefined
  checkRequired(inner, required, count)
  return { named, inline, ...(required === undefined ? {} : { required }) }
}

/** Undefined: as its service has it. */
export function serverChecksOf(fields: Fields): ServerCheckFields | undefined {
  const inner = fields.inner('healthChecks')
  if (inner === null) return undefined
  const { named, inline } = listsOf(inner)
  const own = named !== undefined || inline !== undefined
  const required = inner.get<number>('required')
  if (own) {
    const count = (named ?? []).length + Object.keys(inline ?? {}).length
    if (required !== undefined) checkRequired(inner, required, count)
  }
  const targetAddress = addressOf(inner, 'targetAddress')
  const checks = {
    ...(own ? { named: named ?? [], inline: inline ?? {} } : {}),
    ...(required === undefined ? {} : { required }),
    ...(targetAddress === undefined ? {} : { targetAddress }),
    ...inner.optional<'targetPort', number>('targetPort'),
    ...inner.optional<'host', string>('host'),
  }
  return Object.keys(checks).length === 0 ? undefined : checks
}

function checkRequired(inner: Fields, required: number | undefined, count: number): void {
  if (required === undefined || required <= count) return
  if (inner.isFaulty('named') || inner.isFaulty('inline')) return
  const detail = `${required} checks cannot be up: there are ${count}.`
  inner.fault('required', 'OUT_OF_RANGE', detail)
}

function listsOf(inner: Fields): { named?: string[]; inline?: Record<string, CheckFields> } {
  const named = inner.get<string[]>('named')
  for (const [i, name] of (named ?? []).entries()) {
    if (!isValidName(name))
      inner.fault('named', 'INVALID_NAME', `Entry ${i}, ${quote(name)}, is not a valid name.`)
    else if (named!.indexOf(name) !== i)
      inner.fault('named', 'CONFLICTING_FIELDS', `${quote(name)} is listed twice.`)
  }
  const documents = inner.inner('inline')
  if (documents === null) return named === undefined ? {} : { named: [...named] }
  const inline: Record<string, CheckFields> = {}
  for (const name of Object.keys(documents.body).sort()) {
    const document = documents.inner(name)
    const check = document === null ? null : checkOf(document)
    if (named?.includes(name) === true)
      documents.fault(name, 'CONFLICTING_FIELDS', `'${name}' is among those that are named, too.`)
    if (check !== null) inline[name] = check
  }
  return { ...(named === undefined ? {} : { named: [...named] }), inline }
}
