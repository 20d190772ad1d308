/** Writes what `ipvsadm -R` and `sluice ipvsadm -R` take, in numbers. */
import { NAMELESS } from '../ipvsadm/names.js'
import { saveLines } from '../ipvsadm/save.js'
import { changedTimeouts, exportedServices } from './exported.js'
import type { Configuration, Exported, ExportedService, Loss } from './exported.js'
import { pacer } from './pacing.js'

const NO_CHECKS = 'Health checks are not written; whoever runs this checks nothing.'

export async function exportIpvsadm(configuration: Configuration): Promise<Exported> {
  const losses: Loss[] = []
  const parts: string[] = []
  const timeouts = changedTimeouts(configuration)
  if (timeouts !== null) {
    const { tcpSeconds, tcpFinSeconds, udpSeconds } = timeouts
    parts.push(`--set ${tcpSeconds} ${tcpFinSeconds} ${udpSeconds}\n`)
  }
  const pause = pacer()
  for (const service of exportedServices(configuration, losses)) {
    loseHealth(service, losses)
    parts.push(await saveLines(service, true, NAMELESS, { faithful: true }))
    await pause()
  }
  return { text: parts.join(''), losses }
}

function loseHealth({ name, record, dests }: ExportedService, losses: Loss[]): void {
  const lose = (field: string, reason: string) =>
    losses.push({ pointer: `/virtualServices/${name}${field}`, reason })
  const { healthChecks, policy } = record.config
  if (healthChecks !== undefined) lose('/healthChecks', NO_CHECKS)
  if (policy !== undefined) lose('/policy', 'Without health checks there is nothing to react to.')
  for (const { name, record } of dests)
    if (record.config.healthChecks !== undefined)
      lose(`/realServers/${name}/healthChecks`, NO_CHECKS)
}
