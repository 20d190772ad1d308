/** Writes what `ipvsadm -R` and `sluice ipvsadm -R` take, in numbers. */
import { NAMELESS } from '../ipvsadm/names.js'
import { saveLines } from '../ipvsadm/save.js'
import { changedTimeouts, exportedServices } from './exported.js'
import type { Configuration, Exported, Loss } from './exported.js'
import { pacer } from './pacing.js'

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
    parts.push(await saveLines(service, true, NAMELESS, { faithful: true }))
    await pause()
  }
  return { text: parts.join(''), losses }
}
