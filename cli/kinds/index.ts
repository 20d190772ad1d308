/** All kinds, by every name that they go by. */
import { healthChecks, serverChecks } from './checks.js'
import { auditLog, configurations, events, operations, revisions } from './history.js'
import { connections, interfaces, stats } from './live.js'
import type { Kind } from './kind.js'
import { maintenances } from './maintenances.js'
import { servers, services } from './services.js'
import { webhooks } from './webhooks.js'
import { markRules, settings, tokens, versions } from './settings.js'

/** What a kind's items are is its own affair: whoever takes one from here treats them as opaque. */
export type AnyKind = Kind<object>

const opaque = <T extends object>(kind: Kind<T>): AnyKind => ({
  ...kind,
  nameOf: item => kind.nameOf(item as T),
  columns: kind.columns.map(column => ({ ...column, value: item => column.value(item as T) })),
})

export const KINDS: readonly AnyKind[] = [
  opaque(services),
  opaque(servers),
  opaque(connections),
  opaque(stats),
  opaque(maintenances),
  opaque(markRules),
  opaque(healthChecks),
  opaque(serverChecks),
  opaque(settings),
  opaque(configurations),
  opaque(revisions),
  opaque(operations),
  opaque(events),
  opaque(auditLog),
  opaque(interfaces),
  opaque(tokens),
  opaque(webhooks),
  opaque(versions),
]

export const kindOf = (name: string): AnyKind | undefined =>
  KINDS.find(({ names }) => names.includes(name))
