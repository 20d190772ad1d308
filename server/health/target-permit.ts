/**
 * Who may send probes where: a target that is not a real server's own address, or another list of
 * those that are guarded, makes the appliance talk to whom its user could not reach.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Actor } from '../auth/actor.js'
import { permit } from '../auth/permit.js'
import type { Change, ChangeSet } from '../repo/configuration.js'
import type { ServerRecord, ServiceRecord } from '../repo/records.js'
import type { CheckFields } from '../schemas/health-check-fields.js'

/** Throws (Problem, 403) when a change wants a target that its actor may not choose. */
export function permitTargets(changes: ChangeSet, actor: Actor | null): void {
  if (actor === null || !choosesTarget(changes)) return
  permit(actor, 'admin')
}

function choosesTarget({ services = [], healthChecks = [], settings }: ChangeSet): boolean {
  const list = (record: typeof settings, side: 'before' | 'after') =>
    record?.[side].config.healthCheckTargets
  return (
    !isDeepStrictEqual(list(settings, 'before'), list(settings, 'after')) ||
    healthChecks.some(({ before, after }) =>
      isNewTarget(before?.config ?? null, after?.config ?? null),
    ) ||
    services.some(serviceChooses)
  )
}

function isNewTarget(before: CheckFields | null, after: CheckFields | null): boolean {
  return after?.targetAddress !== undefined && !isDeepStrictEqual(before, after)
}

function serviceChooses({ before, after }: Change<ServiceRecord>): boolean {
  if (after === null) return false
  const old = before?.config.healthChecks?.inline ?? {}
  const inline = Object.entries(after.config.healthChecks?.inline ?? {})
  if (inline.some(([name, check]) => isNewTarget(old[name] ?? null, check))) return true
  const servers = new Map((before?.servers ?? []).map(server => [server.name, server]))
  return after.servers.some(server => serverChooses(servers.get(server.name) ?? null, server))
}

function serverChooses(before: ServerRecord | null, after: ServerRecord): boolean {
  const { address, healthChecks } = after.config
  if (healthChecks === undefined) return false
  if (isDeepStrictEqual(healthChecks, before?.config.healthChecks)) return false
  if (healthChecks.targetAddress !== undefined && healthChecks.targetAddress !== address)
    return true
  const old = before?.config.healthChecks?.inline ?? {}
  return Object.entries(healthChecks.inline ?? {}).some(
    ([name, check]) => check.targetAddress !== address && isNewTarget(old[name] ?? null, check),
  )
}
