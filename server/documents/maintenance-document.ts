/** From a maintenance as a client wrote it to one that is complete and normalised, or to its faults. */
import { problemOf } from '../errors.js'
import { parseAddress } from '../ip-address.js'
import type { MaintenanceSpec, Selector } from '../repo/maintenances.js'
import { MaintenanceRequest } from '../schemas/maintenance.js'
import { faultsOf, isObject, quote } from '../schemas/walk.js'
import { checkName, Fields, sortedLabels } from './fields.js'
import { Findings } from './findings.js'

/** RFC 3339 section 5.6. */
const MOMENT = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/

/** Throws a Problem with every fault. */
export function readMaintenance(name: string, body: unknown): MaintenanceSpec {
  const found = new Findings(faultsOf(MaintenanceRequest, body))
  if (!isObject(body)) throw problemOf(found.faults)
  const fields = new Fields(body, '', found)
  checkName(fields, name)
  const selector = readSelector(fields)
  const startAt = readMoment(fields, 'startAt')
  const endAt = readMoment(fields, 'endAt')
  if (startAt !== undefined && endAt !== undefined && endAt <= startAt) {
    const detail = `It would end at ${endAt}, which is not after its start at ${startAt}.`
    fields.fault('endAt', 'INVALID_TIME', detail)
  }
  if (found.any) throw problemOf(found.faults)
  return {
    selector: selector!,
    ...(startAt === undefined ? {} : { startAt }),
    ...(endAt === undefined ? {} : { endAt }),
    deadlineSeconds: fields.get<number>('deadlineSeconds')!,
    onDeadline: fields.get<'keep' | 'reset'>('onDeadline') ?? 'keep',
    ignoreMinimum: fields.get<boolean>('ignoreMinimum') ?? false,
    comment: fields.get<string>('comment') ?? '',
  }
}

function readSelector(document: Fields): Selector | null {
  const fields = document.inner('selector')
  if (fields === null) return null
  const text = fields.get<string>('address')
  const address = text === undefined ? undefined : parseAddress(text)
  if (address === null)
    fields.fault('address', 'INVALID_ADDRESS', `${quote(text!)} is not an IPv4 or IPv6 address.`)
  const labels = sortedLabels(fields.get('labels'))
  const isEmpty = !fields.has('address') && Object.keys(labels).length === 0
  if (isEmpty && !fields.isFaulty('labels')) {
    const detail = "It selects nothing: give it an 'address', 'labels' or both."
    document.fault('selector', 'MISSING_FIELD', detail)
  }
  return {
    ...(address ? { address: address.text } : {}),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
  }
}

/** In UTC, whatever its offset was. */
function readMoment(fields: Fields, name: 'startAt' | 'endAt'): string | undefined {
  const text = fields.get<string>(name)
  if (text === undefined) return undefined
  const ms = MOMENT.test(text) ? Date.parse(text.toUpperCase()) : NaN
  if (!Number.isNaN(ms)) return new Date(ms).toISOString()
  const detail = `${quote(text)} is not a moment such as 2030-01-01T02:00:00Z.`
  fields.fault(name, 'INVALID_TIME', detail)
  return undefined
}
