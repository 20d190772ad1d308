// SCTP checks by raw INIT: directly and through the service, against endpoints in user space.
import { join } from 'node:path'
import t from 'tap'
import { FAMILIES, serverAddress, VIP, type Family, type ServerName } from '../lab/cast.js'
import { ROOT } from '../lab/root.js'
import { Sluice } from '../lab/sluice.js'
import { until } from '../lab/until.js'
import { endStage, setStage } from './stage.js'

const PROGRAM = join(ROOT, 'test/fixtures/health/sctp-peer.py')
const SCHEDULE = { intervalMilliseconds: 500, timeoutMilliseconds: 2000, rise: 1, fall: 1 }
/** What the endpoint does at a port, and what both checks are to find. */
const CASES = [
  { port: 2905, state: 'up', detail: /answers to INIT/ },
  { port: 2906, state: 'down', detail: /answers with ABORT/ },
  { port: 2907, state: 'down', detail: /No end within 2000 ms/ },
] as const
const NAMES: readonly ServerName[] = ['a', 'b']

interface Checks {
  health: { state: string }
  items: { name: string; state: string; last: { detail: string; reason: string | null } | null }[]
}

t.test('directly and through the service', async t => {
  const stage = await setStage(
    t,
    (lab, director) => Sluice.start(lab, director, { serveArgs: ['--service-probes'] }),
    { servers: 2 },
  )
  const { director, topology } = stage
  const peer = topology.servers.get('a')!.start(['/usr/bin/python3', PROGRAM], { name: 'sctp' })
  await peer.waitFor(/ready/)
  for (const family of FAMILIES) {
    for (const { port } of CASES)
      await director.api('PUT', pathOf(family, port), serviceOf(family, port))
    for (const { port, state, detail } of CASES) {
      const found = () => checksOf(family, port, 'a')
      await until(`${family} ${port}`, async () => {
        const { items } = await found()
        return items.length === 2 && items.every(({ last }) => detail.test(last?.detail ?? ''))
      })
      const { health, items } = await found()
      t.equal(health.state, state, `${family}, port ${port}`)
      for (const { name, last } of items) t.match(last!.detail, detail, `${family} ${port} ${name}`)
    }
    await until(`${family}, a host without SCTP`, async () => {
      const { items } = await checksOf(family, 2905, 'b')
      return items[0]?.last?.reason === 'refused' && items[1]?.state === 'down'
    })
  }
  const tcp = { ...serviceOf('ipv4', 80), protocol: 'tcp' }
  await t.rejects(director.api('PUT', pathOf('ipv4', 80), tcp), /not for SCTP/)
  peer.signal('SIGTERM')
  await peer.exited

  function pathOf(family: Family, port: number) {
    return `/v1/virtual-services/sctp-${family}-${port}`
  }
  async function checksOf(family: Family, port: number, server: ServerName): Promise<Checks> {
    const path = `${pathOf(family, port)}/real-servers/${server}/checks`
    return (await director.api('GET', path)) as Checks
  }
  endStage(t, stage)
})

const serviceOf = (family: Family, port: number) => ({
  ...{ protocol: 'sctp', address: VIP[family], port, scheduler: 'rr' },
  healthChecks: {
    inline: {
      direct: { kind: 'sctp', ...SCHEDULE },
      through: { kind: 'sctp', ...SCHEDULE, via: 'service' },
    },
  },
  realServers: Object.fromEntries(
    NAMES.map(name => [name, { address: serverAddress(name, family), port, forwarding: 'masq' }]),
  ),
})
