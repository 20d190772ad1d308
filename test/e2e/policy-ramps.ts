/** Slow start, under connections that last. */
import type { Test } from 'tap'
import { VIP, type Family } from '../lab/cast.js'
import type { LabProcess } from '../lab/process.js'
import { until } from '../lab/until.js'
import { put, python, say, type SluiceStage } from './policy-stage.js'

/** Opens that many TCP connections, one after the other, and holds them while there is input. */
const HOLDER = `
import socket, sys
held = [socket.create_connection((sys.argv[1], int(sys.argv[2])), 10) for _ in range(int(sys.argv[3]))]
print('held', flush=True)
sys.stdin.read()
`

const BATCH = 30
const START_PERCENT = 10
const DURATION_S = 3600
/** What is earned and not had yet may add up to so many. */
const CREDIT_MAX = 2

export async function ramps(t: Test, stage: SluiceStage, family: Family): Promise<void> {
  for (const [i, scheduler] of ['lc', 'wlc'].entries()) {
    const flooded = await newcomer(stage, { family, port: 1041 + i, scheduler, policy: {} })
    const slowStart = { seconds: DURATION_S, startPercent: START_PERCENT }
    const shape = { family, port: 1051 + i, scheduler, policy: { slowStart } }
    const bounded = await newcomer(stage, shape)
    const told = (one: Newcomer) => `${one.had} of ${one.made}, at most ${boundOf(one).toFixed(1)}`
    t.ok(bounded.had <= boundOf(bounded), `${scheduler}: ${told(bounded)}`)
    t.ok(flooded.had > boundOf(flooded), `${scheduler}, without it: ${told(flooded)}`)
  }
}

interface Newcomer {
  made: number
  had: number
  tookS: number
}

/** What a weight that grows would have given it by then, next to two others. */
function boundOf({ made, tookS }: Newcomer): number {
  const share = START_PERCENT / 100 + ((1 - START_PERCENT / 100) * tookS) / DURATION_S
  return (made * share) / (2 + share) + CREDIT_MAX
}

/** Of connections made after a server came back among two busy ones, how many were its own. */
async function newcomer(
  stage: SluiceStage,
  shape: { family: Family; port: number; scheduler: string; policy: object },
): Promise<Newcomer> {
  const { director, topology } = stage
  const holders: LabProcess[] = []
  const hold = async (count: number) => {
    const to = [VIP[shape.family], String(shape.port), String(count)]
    const holder = topology.client.start(python(HOLDER, ...to))
    holders.push(holder)
    await holder.waitFor(/held/, 30_000)
  }
  const isSlow = Object.keys(shape.policy).length > 0
  const name = `ramp-${shape.scheduler}${isSlow ? '-slow' : ''}`
  const service = await put(stage, name, { ...shape, names: ['a', 'b', 'c'] })
  const had = async () => {
    const { services } = (await director.api('GET', '/v1/stats')) as Stats
    const servers = services.find(each => each.name === service)!.realServers
    const c = servers.find(each => each.name === 'c')
    return (c?.activeConns ?? 0) + (c?.inactConns ?? 0)
  }
  await say(stage, service, { c: 'down' })
  await hold(2 * BATCH)
  const before = await had()
  const beganMs = performance.now()
  await say(stage, service, { c: 'up' })
  let made = 0
  // So soon after the news the dataplane may not have heard of it.
  await until(`connections of ${service}'s c`, async () => {
    await hold(BATCH)
    made += BATCH
    return (await had()) - before >= (isSlow ? 2 : BATCH / 2)
  })
  const result = { made, had: (await had()) - before, tookS: (performance.now() - beganMs) / 1000 }
  await Promise.all(holders.map(holder => holder.stop()))
  return result
}

interface Stats {
  services: {
    name: string
    realServers: { name: string; activeConns: number; inactConns: number }[]
  }[]
}
