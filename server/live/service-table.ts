/** ipvsadm's table of what the control has: all services that pass a filter, or one. */
import type { Control } from '../control.js'
import type { ServiceDocument } from '../ipvsadm/documents.js'
import { servicesText, serviceText, type Table } from './text-tables.js'

const PAGE = 1000
type Filter = Parameters<Control['services']['list']>[0]

export function serviceTable(
  control: Control,
  table: Table,
  filter: Filter = {},
  labels: [string, string][] = [],
): Promise<string> {
  const services: ServiceDocument[] = []
  let cursor: string | undefined
  do {
    const page = control.services.list(filter, { limit: PAGE, labels, cursor })
    services.push(...page.items.map(asDocument))
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined)
  return servicesText(services, table)
}

export const oneServiceTable = (control: Control, table: Table, name: string): Promise<string> =>
  serviceText(asDocument(control.services.get(name).view), table)

/** Views hold what was validated as documents; only their types are wider. */
const asDocument = (view: object): ServiceDocument => view as ServiceDocument
