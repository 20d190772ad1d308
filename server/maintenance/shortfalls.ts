/** Virtual services that would have too few usable real servers. */
import type { StandingSource } from '../change/plan.js'
import { policyOf } from '../policy/standing.js'
import type { ServiceChange } from '../repo/configuration.js'
import type { ServiceRecord } from '../repo/records.js'
import type { Shortfall } from '../schemas/maintenance.js'

/**
 * Those that are to fall below the minimum of their policy, or further below it; by name. One that is
 * there already and loses nobody is not made worse: a host that is down can always be drained.
 */
export function shortfallsOf(
  changes: readonly ServiceChange[],
  standings: StandingSource,
): Shortfall[] {
  return changes
    .flatMap(({ before, after }): Shortfall[] => {
      if (before === null || after === null) return []
      const usableServers = usable(before, standings)
      const usableServersAfter = usable(after, standings)
      const { minimumUsable } = policyOf(after)
      if (usableServersAfter >= Math.min(minimumUsable, usableServers)) return []
      return [{ service: after.name, usableServers, usableServersAfter, minimumUsable }]
    })
    .sort((a, b) => (a.service < b.service ? -1 : 1))
}

const usable = (service: ServiceRecord, standings: StandingSource): number =>
  [...standings.of(service).servers.values()].filter(each => each.usable).length

/** `web would have 1 usable real server, its minimum is 2: 1 too few` */
export function shortfallText({
  service,
  usableServersAfter: left,
  minimumUsable,
}: Shortfall): string {
  const servers = left === 1 ? '1 usable real server' : `${left} usable real servers`
  return `'${service}' would have ${servers}, its minimum is ${minimumUsable}: ${minimumUsable - left} too few`
}

/** One sentence for all. */
export function shortfallsText(found: readonly Shortfall[]): string {
  const shown = found.slice(0, 10).map(shortfallText).join('; ')
  return found.length > 10 ? `${shown}; and ${found.length - 10} more.` : `${shown}.`
}
