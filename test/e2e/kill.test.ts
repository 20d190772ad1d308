/**
 * Connections that are ended from the middle, between ends that are Linux's own: idle ones and ones
 * in full flow, at once or at the deadline of a drain.
 */
import { join } from 'node:path'
import t from 'tap'
import { FAMILIES, serverAddress, VIP, type Family, type ServerName } from '../lab/cast.js'
import type { LabProcess } from '../lab/process.js'
import { UDP_PORT } from '../lab/real-server.js'
import { ROOT } from '../lab/root.js'
import { Sluice } from '../lab/sluice.js'
import { askUdp, openFlows } from '../lab/udp.js'
import { endStage, setStage } from './stage.js'

const PORT = 7000
/** Of a service whose counts do not include what was just ended, which is listed for a while. */
const DRAINED_PORT = 7001
const PEER = join(ROOT, 'test/lab/programs/tcp-peer.py')
/** Ten times what it takes; TCP itself would never notice on an idle connection. */
const PROMPT_MS = 5000

const stage = await setStage(t, (lab, director) =>
  Sluice.start(lab, director, { serveArgs: ['--connections-max', '400000'] }),
)
const { topology, director } = stage
const { client } = topology

const listening = new Map<ServerName, LabProcess>()
for (const [name, host] of topology.servers) {
  const peer = host.start(['python3', PEER, 'listen', String(PORT)], { name: `peer ${name}` })
  await peer.waitFor(/ready/)
  listening.set(name, peer)
}

const connect = async (family: Family, mode: 'idle' | 'stream', port = PORT) => {
  const peer = client.start(['python3', PEER, 'connect', VIP[family], String(port), mode])
  await peer.waitFor(/open/)
  return peer
}

const put = (name: string, family: Family, names: readonly ServerName[], port = PORT) =>
  director.putService(name, {
    ...{ protocol: 'tcp', address: VIP[family], port, scheduler: 'rr' },
    realServers: Object.fromEntries(
      names.map(each => [each, { address: serverAddress(each, family), port: PORT }]),
    ),
  })

/** Runs `act` and says how long both ends took to notice, in ms. */
async function resets(
  server: LabProcess,
  clients: readonly LabProcess[],
  act: () => Promise<unknown>,
) {
  const from = server.stdout.length
  const startedMs = performance.now()
  await act()
  const all = new RegExp(`(reset\\n[^]*){${clients.length}}`)
  await Promise.all([
    server.waitFor(all, PROMPT_MS, from),
    ...clients.map(each => each.waitFor(/reset/, PROMPT_MS)),
  ])
  return performance.now() - startedMs
}

for (const family of FAMILIES) {
  t.test(`${family}: idle connections and transfers are reset at both ends`, async t => {
    await put(`long-${family}`, family, ['a'])
    const a = listening.get('a')!
    for (const mode of ['idle', 'stream'] as const) {
      const from = a.stdout.length
      const clients = [await connect(family, mode), await connect(family, mode)]
      await a.waitFor(/(open\n[^]*){2}/, 5000, from)
      const path = `/v1/connections?service=long-${family}`
      const trial = await director.api('DELETE', `${path}&dryRun=true`)
      t.strictSame(trial, { connections: 2, templates: 0, dryRun: true })
      const ms = await resets(a, clients, async () => {
        const { connections } = (await director.api('DELETE', path)) as { connections: number }
        t.equal(connections, 2)
      })
      t.ok(ms < PROMPT_MS, `${mode}: ${Math.round(ms)} ms`)
    }
  })

  t.test(`${family}: a drain resets at its deadline what keep would leave`, async t => {
    await put(`drained-${family}`, family, ['a', 'b'], DRAINED_PORT)
    const open = (mode: 'idle' | 'stream') => connect(family, mode, DRAINED_PORT)
    const a = listening.get('a')!
    const drain = `/v1/virtual-services/drained-${family}/real-servers/a/drain`
    const fromA = a.stdout.length
    const clients = [await open('stream'), await open('stream')]
    await a.waitFor(/open/, 5000, fromA)

    await director.api('PUT', drain, { deadlineSeconds: 0, onDeadline: 'keep' })
    const status = async () =>
      ((await director.api('GET', drain)) as { status: Record<string, unknown> }).status
    while ((await status())['endedAt'] === null);
    t.match(await status(), { state: 'expired', connections: 1 })
    t.equal(clients.filter(each => each.status === null).length, 2, 'both go on')
    const fresh = await open('idle')
    t.match(await status(), { connections: 1 }, 'nobody new comes')

    await director.api('PUT', drain, { deadlineSeconds: 1, onDeadline: 'reset' })
    const from = a.stdout.length
    await a.waitFor(/reset/, 10_000, from)
    await Promise.race(clients.map(each => each.waitFor(/reset/, 10_000)))
    while ((await status())['endedAt'] === null);
    t.match(await status(), { connectionsReset: 1 })
    t.equal([...clients, fresh].filter(each => each.status === null).length, 2, 'those of b go on')
    await director.api('DELETE', drain)
    for (const each of [...clients, fresh]) await each.stop()
  })

  t.test(`${family}: 100,000 connections go while others lose nothing`, async t => {
    const names = ['a', 'b'] as const
    const servers = (port: number) =>
      Object.fromEntries(names.map(n => [n, { address: serverAddress(n, family), port }]))
    const vip = { address: VIP[family], scheduler: 'rr' } as const
    await director.putService(`sink-${family}`, {
      ...{ ...vip, protocol: 'udp', port: 9, realServers: servers(9) },
    })
    await director.putService(`dns-${family}`, {
      ...{ ...vip, protocol: 'udp', port: 53, realServers: servers(UDP_PORT) },
    })
    const count = 100_000
    const sources: string[] = []
    const prefix = family === 'ipv4' ? '192.0.2.' : '2001:db8:1::1:'
    for (const last of ['100', '101', '102', '103']) {
      sources.push(prefix + last)
      const length = family === 'ipv4' ? '24' : '64 nodad'
      await client.ip(`addr add ${prefix + last}/${length} dev eth0`)
    }
    const sent = await openFlows(client, { address: VIP[family], port: 9, count, sources })
    t.ok(sent >= count * 0.9, `${sent} connections`)
    const sizes = new Array<number>(3000).fill(100)
    const asking = askUdp(client, { address: VIP[family], port: 53, sizes, parallel: 4 })
    const startedMs = performance.now()
    const path = `/v1/connections?service=sink-${family}`
    const { connections } = (await director.api('DELETE', path)) as { connections: number }
    t.comment(`${connections} ended in ${Math.round(performance.now() - startedMs)} ms`)
    t.ok(connections >= sent * 0.99, `${connections} ended`)
    t.match(await asking, { answered: sizes.length, lost: 0, corrupt: 0 }, 'others lost nothing')
  })
}

t.test('a drain goes on after a restart in its middle', async t => {
  await put('long-ipv4', 'ipv4', ['a', 'b'])
  const drain = '/v1/virtual-services/long-ipv4/real-servers/a/drain'
  await director.api('PUT', drain, { deadlineSeconds: 600, onDeadline: 'reset' })
  const read = async () =>
    (await director.api('GET', drain)) as { status: { deadlineAt: string; state: string } }
  const { deadlineAt } = (await read()).status
  await director.stop()
  await director.start()
  t.equal((await read()).status.deadlineAt, deadlineAt)
  const url = '/v1/virtual-services/long-ipv4/real-servers/a'
  const status = async () => (await director.api('GET', url)) as { status: object }
  t.match(await status(), {
    weight: 1,
    status: { effectiveWeight: 0, reasons: [{ code: 'DRAIN' }] },
  })
  await director.api('DELETE', drain)
  t.match(await status(), { weight: 1, status: { effectiveWeight: 1, reasons: [] } })
})

endStage(t, stage)
