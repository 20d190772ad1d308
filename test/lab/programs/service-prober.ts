/**
 * A dataplane with one service, and health checks of its real servers through it:
 * `service-prober.js FILE` with an order as JSON (lab/service-prober.ts), in a host that has the
 * virtual address. Prints a line for each run of each check. SIGTERM ends it cleanly.
 */
import { readFileSync } from 'node:fs'
import { pino } from 'pino'
import { HealthEngine } from '../../../server/health/health-engine.js'
import { ProbeNetwork, PROBE_INTERFACE } from '../../../server/health/probe-network.js'
import { gatewayThrough } from '../../../server/health/service-gateway.js'
import { DataplaneClient } from '../../../server/dataplane/dataplane-client.js'
import { run } from '../../../server/host/command.js'
import { allocate } from '../../../dataplane/shared/memory.js'
import type { ProberOrder } from '../service-prober.js'

const order = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as ProberOrder
const logger = pino({ level: 'warn' }, pino.destination(2))
const network = new ProbeNetwork(run, order.namespace)
await network.open()
const dataplane = new DataplaneClient({
  memory: allocate(1000),
  worker: { driver: 'packet-ring', interfaces: [...order.interfaces, PROBE_INTERFACE] },
  logger,
})
dataplane.start(async call => {
  const dests = order.dests.map(dest => ({ dest, row: null }))
  await call({ op: 'restore', services: [{ service: order.service, row: null, dests }] })
})
if (!(await dataplane.whenReady(20_000))) throw new Error('the dataplane is not ready')

const engine = new HealthEngine({
  ...{ logger, commandFolder: null, fileFolder: null },
  gateway: gatewayThrough(dataplane, network),
})
for (const server of order.servers) engine.set(server)
process.stdout.write('ready\n')
process.stdin.on('data', () => void look())
process.on('SIGTERM', () => void end())

async function look(): Promise<void> {
  for (const { service, server } of order.servers)
    for (const { check, result } of (await engine.runNow(service, server)) ?? [])
      process.stdout.write(`${JSON.stringify({ server, check, ...result })}\n`)
  process.stdout.write('looked\n')
}

async function end(): Promise<void> {
  await engine.close()
  await dataplane.stop()
  await network.close()
  process.exit(0)
}
