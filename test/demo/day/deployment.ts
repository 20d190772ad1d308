/** A new version on every server, one after another, while nobody notices. */
import { SERVER_NAMES, type ServerName } from '../../lab/cast.js'
import { until } from '../../lab/until.js'
import { isHealth, SERVICE, serverStatus, type Stage } from './stage.js'

const DRAIN = { deadlineSeconds: 20, onDeadline: 'reset' }

export async function rollOut(stage: Stage, version: string): Promise<void> {
  for (const name of SERVER_NAMES) await deploy(stage, name, version)
}

async function deploy(stage: Stage, name: ServerName, version: string): Promise<void> {
  const { sluice, timeline, web } = stage
  const drain = `${SERVICE}/real-servers/${name}/drain`
  await sluice.api('PUT', drain, DRAIN)
  timeline.note(`${name}: drain`)
  await until(`the drain of ${name}`, async () => {
    const { status } = (await sluice.api('GET', drain)) as { status: { state: string } }
    return status.state === 'drained'
  })
  timeline.note(`${name}: drained`)
  const server = web.get(name)!
  await server.stop()
  await until(`${name} down`, isHealth(stage, name, 'down'))
  await server.deploy(version)
  timeline.note(`${name}: ${version} deployed`)
  await until(`${name} up`, isHealth(stage, name, 'up'))
  await sluice.api('DELETE', drain)
  timeline.note(`${name}: up, takes connections again`)
  await until(`the ramp of ${name}`, async () => {
    const { effectiveWeight, reasons } = await serverStatus(stage, name)
    return effectiveWeight === 10 && reasons.length === 0
  })
}
