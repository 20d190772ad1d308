/** What is worth telling when a service stands otherwise than before: entries of the journal. */
import { SYSTEM } from '../auth/actor.js'
import type { Occurrence } from '../journal/journal.js'
import type { ServiceRecord } from '../repo/records.js'
import type { Standing } from './standing.js'
import type { StandingChange } from './standings.js'

/** A service's first standing and its end are no news: its creation and deletion are. */
export function occurrencesOf(moved: readonly StandingChange[]): Occurrence[] {
  return moved.flatMap(({ service, before, after }) =>
    before === null || after === null || !isLookedAfter(service, after)
      ? []
      : changes(service.name, before, after),
  )
}

/** Nobody wants to hear that a service without checks and policy was emptied by hand. */
const isLookedAfter = ({ config }: ServiceRecord, { servers }: Standing): boolean =>
  config.policy !== undefined || [...servers.values()].some(each => each.health !== undefined)

function changes(name: string, before: Standing, after: Standing): Occurrence[] {
  const common = { class: 'state', actor: SYSTEM, kind: 'virtualService', name } as const
  const told: Occurrence[] = []
  if (before.quorum.held !== after.quorum.held) {
    const type = after.quorum.held ? 'virtualService.quorumGained' : 'virtualService.quorumLost'
    told.push({ ...common, type, outcome: after.quorum.held ? 'done' : 'failed' })
  }
  if (before.fallback?.code !== after.fallback?.code) {
    const detail = { from: before.fallback?.code ?? null, to: after.fallback?.code ?? null }
    told.push({ ...common, type: 'virtualService.fallbackChanged', detail })
    if (detail.to === 'withdraw') told.push({ ...common, type: 'virtualService.withdrawn' })
    if (detail.from === 'withdraw') told.push({ ...common, type: 'virtualService.announced' })
  }
  if (before.priority !== after.priority && after.quorum.held && before.quorum.held) {
    const detail = { fromPriority: before.priority, toPriority: after.priority }
    told.push({ ...common, type: 'virtualService.failover', detail })
  }
  for (const [server, is] of after.servers) {
    const was = before.servers.get(server)?.health?.state ?? null
    const now = is.health?.state ?? null
    if (was === now || (was === null && !before.knowsAll)) continue
    told.push({
      ...{ ...common, kind: 'realServer', name: `${name}/${server}` },
      type: 'realServer.healthChanged',
      ...{ before: { health: was }, after: { health: now } },
      ...(is.health?.detail ? { detail: { message: is.health.detail } } : {}),
    })
  }
  return told
}
