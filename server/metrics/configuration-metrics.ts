/** How much is configured, and which revision it is. */
import type { State } from '../change/draft.js'
import type { MaintenanceRecord } from '../repo/maintenances.js'
import { labelsText, type Exposition } from './exposition.js'

export function tellOfConfiguration(
  out: Exposition,
  state: State,
  maintenances: readonly Pick<MaintenanceRecord, 'stage'>[],
): void {
  const gauge = (name: string, help: string) => ({
    ...{ name: `sluice_${name}`, type: 'gauge' as const, help },
  })
  out.single(gauge('config_revision', 'Revision of the configuration.'), state.revision)
  let servers = 0
  let services = 0
  const drains = { running: 0, ended: 0 }
  for (const service of state.services()) {
    services++
    servers += service.servers.length
    for (const { drain } of service.servers)
      if (drain !== undefined) drains[drain.endedAt === null ? 'running' : 'ended']++
  }
  out.single(gauge('virtual_services', 'Virtual services that are configured.'), services)
  out.single(gauge('real_servers', 'Real servers that are configured, over all services.'), servers)
  out.each(
    gauge('drains', 'Drains of real servers: running, or past their deadline.'),
    Object.entries(drains).map(([state, count]) => [labelsText({ state }), count]),
  )
  const stages = { scheduled: 0, active: 0, ended: 0, refused: 0 }
  for (const { stage } of maintenances) stages[stage]++
  out.each(
    gauge(
      'maintenances',
      'Maintenances of hosts: waiting, begun, over, or refused at their start.',
    ),
    Object.entries(stages).map(([state, count]) => [labelsText({ state }), count]),
  )
}
