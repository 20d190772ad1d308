/**
 * A host that serves two services is taken into maintenance under real connections: those that it has
 * live on, new ones go elsewhere, also after a restart, and when it ends the host is there again.
 */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FAMILIES, serverAddress, VIP, type Family, type ServerName } from '../lab/cast.js'
import type { LabProcess } from '../lab/process.js'
import { ROOT } from '../lab/root.js'
import { Sluice } from '../lab/sluice.js'
import { endStage, setStage } from './stage.js'

const PORT = 7000
const SERVICES = { web: 7000, mail: 7001 } as const
type Service = keyof typeof SERVICES
const PEER = join(ROOT, 'test/lab/programs/tcp-peer.py')
const NAMES = ['a', 'b'] as const

const stage = await setStage(t, (lab, director) => Sluice.start(lab, director))
const { topology, director } = stage
const { client } = topology
const listening = new Map<ServerName, LabProcess>()
for (const name of NAMES) {
  const peer = topology.servers.get(name)!.start(['python3', PEER, 'listen', String(PORT)])
  await peer.waitFor(/ready/)
  listening.set(name, peer)
}

const opened = (name: ServerName) => listening.get(name)!.stdout.match(/^open$/gm)?.length ?? 0

/** Opens connections one after the other; says how many of them each real server got. */
async function open(service: Service, family: Family, count: number, mode = 'idle') {
  const before = NAMES.map(opened)
  const peers: LabProcess[] = []
  for (let i = 0; i < count; i++) {
    const from = NAMES.map(name => listening.get(name)!.stdout.length)
    const port = String(SERVICES[service])
    peers.push(client.start(['python3', PEER, 'connect', VIP[family], port, mode]))
    const told = NAMES.map((name, j) => listening.get(name)!.waitFor(/open/, 5000, from[j]))
    await Promise.race(told)
  }
  const [a, b] = NAMES.map((name, i) => opened(name) - before[i]!)
  return { peers, a, b }
}

interface Shown {
  status: { phase: string; totals: { connections: number; servers: number; drained: number } }
}
const path = (family: Family) => `/v1/maintenances/host-${family}`
const read = async (family: Family) => (await director.api('GET', path(family))) as Shown
async function until(family: Family, phase: string): Promise<Shown> {
  for (;;) {
    const shown = await read(family)
    if (shown.status.phase === phase) return shown
  }
}

async function sent(service: string): Promise<number> {
  const url = `/v1/virtual-services/${service}/real-servers/a`
  const server = (await director.api('GET', url)) as {
    status: { statistics: { outBytes: number } }
  }
  return server.status.statistics.outBytes
}

async function onlyB(t: Test, family: Family, what: string): Promise<void> {
  for (const service of ['web', 'mail'] as const) {
    const { peers, a, b } = await open(service, family, 3)
    t.strictSame({ a, b }, { a: 0, b: 3 }, `${what}: ${service}`)
    for (const peer of peers) await peer.stop()
  }
}

for (const family of FAMILIES) {
  t.test(`${family}: a host leaves two services and returns to them`, async t => {
    for (const [name, port] of Object.entries(SERVICES))
      await director.putService(`${name}-${family}`, {
        ...{ protocol: 'tcp', address: VIP[family], port, scheduler: 'rr' },
        realServers: Object.fromEntries(
          NAMES.map(each => [each, { address: serverAddress(each, family), port: PORT }]),
        ),
      })
    const old = { web: await open('web', family, 4, 'tick'), mail: await open('mail', family, 4) }
    for (const { a, b } of Object.values(old)) t.strictSame({ a, b }, { a: 2, b: 2 })

    const selector = { address: serverAddress('a', family) }
    const body = { selector, deadlineSeconds: 600, onDeadline: 'keep' }
    await director.api('PUT', path(family), body)
    t.match(await read(family), {
      status: { phase: 'draining', totals: { connections: 4, servers: 2, drained: 0 } },
    })
    await onlyB(t, family, 'while it drains')
    const before = await sent(`web-${family}`)
    while ((await sent(`web-${family}`)) < before + 1000);
    const peers = Object.values(old).flatMap(each => each.peers)
    t.equal(peers.filter(each => each.status === null).length, 8, 'what was open goes on')

    for (const peer of peers) await peer.stop()
    t.match(await until(family, 'drained'), { status: { totals: { drained: 2 } } })

    await director.stop()
    await director.start()
    t.match(await read(family), { status: { phase: 'drained' } })
    await onlyB(t, family, 'after a restart')

    await director.api('DELETE', path(family))
    const again = { web: await open('web', family, 4), mail: await open('mail', family, 4) }
    for (const { a, b } of Object.values(again))
      t.strictSame({ a, b }, { a: 2, b: 2 }, 'given back')
    for (const peer of Object.values(again).flatMap(each => each.peers)) await peer.stop()
  })

  t.test(`${family}: an end that falls into a restart`, async t => {
    const selector = { address: serverAddress('a', family) }
    const endAt = new Date(Date.now() + 1500).toISOString()
    await director.api('PUT', path(family), { selector, endAt, deadlineSeconds: 600 })
    await director.stop()
    await director.start()
    await until(family, 'ended')
    const { peers, a, b } = await open('web', family, 4)
    t.strictSame({ a, b }, { a: 2, b: 2 })
    for (const peer of peers) await peer.stop()
    await director.api('DELETE', path(family))
  })
}

endStage(t, stage)
