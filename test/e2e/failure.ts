/** What is lost when a part dies: nothing that was stored, and no connection when a worker goes. */
import type { Test } from 'tap'
import { VIP } from '../lab/cast.js'
import { bytesHash, fetchMany, fetchOne, tally, type Fetched } from '../lab/curl.js'
import type { Sluice } from '../lab/sluice.js'
import type { Stage } from './stage.js'
import { httpService } from './traffic.js'

const URL = `http://${VIP.ipv4}`
const SERVICES = '/v1/virtual-services'
const HELD = 2_000_000

/** Registers the sub-tests; the stage's Sluice is `killable`. */
export function failureTests(t: Test, stage: Stage<Sluice>): void {
  const { lab, topology, director: sluice, servers } = stage
  const { client } = topology

  t.test('a lost worker comes back, connections go on', async t => {
    await sluice.putService('web', httpService('ipv4', { a: 1, b: 1, c: 1 }))
    const configured = await configuration(sluice)
    const sockets = await openSockets(sluice)
    const starts = startsOf(sluice)
    for (const time of ['first', 'second']) {
      const transfer = await holdOne(stage)
      const lost = await loseWorker(sluice)
      for (const { http } of servers.values()) http.tell('release')
      t.match(
        await transfer.done,
        { exit: 0, sha256: bytesHash(HELD) },
        `${time}: the transfer ends well`,
      )
      const fetched = await fetchMany(lab, client, `${URL}/`, { times: 12 })
      t.strictSame(tally(fetched), { a: 4, b: 4, c: 4 }, `${time}: new connections are scheduled`)
      await sluice.process.waitFor(/"dataplane started"/, 10_000, lost)
    }
    t.equal(startsOf(sluice), starts + 2, 'it was started again, twice')
    t.strictSame(await configuration(sluice), configured, 'nothing stored is lost')
    t.equal(await openSockets(sluice), sockets, 'no socket leaked')
  })

  t.test('changes made after the loss hold', async t => {
    await loseWorker(sluice)
    await retried(() => sluice.putServer('web', 'c', { ...serverOf('c'), weight: 0 }))
    const fetched = await fetchMany(lab, client, `${URL}/`, { times: 12 })
    t.strictSame(tally(fetched), { a: 6, b: 6 })
  })

  t.test('everything survives a clean restart', async t => {
    const configured = await configuration(sluice)
    await sluice.stop()
    t.equal((await fetchOne(lab, client, `${URL}/`, ['--connect-timeout', '1'])).exit !== 0, true)
    await sluice.start()
    t.strictSame(await configuration(sluice), configured)
    const fetched = await fetchMany(lab, client, `${URL}/`, { times: 12 })
    t.strictSame(tally(fetched), { a: 6, b: 6 })
  })

  t.test('everything survives kill -9', async t => {
    const configured = await configuration(sluice)
    await sluice.process.stop('SIGKILL')
    await sluice.start()
    t.strictSame(await configuration(sluice), configured)
    const fetched = await fetchMany(lab, client, `${URL}/`, { times: 12 })
    t.strictSame(tally(fetched), { a: 6, b: 6 })
  })
}

/** Starts a transfer that stands half-way; `done` resolves when it has ended. */
async function holdOne({ lab, topology, servers }: Stage): Promise<{ done: Promise<Fetched> }> {
  const processes = [...servers.values()].map(({ http }) => http)
  const before = processes.map(({ stdout }) => stdout.length)
  const done = fetchOne(lab, topology.client, `${URL}/held/${HELD}`)
  await Promise.any(processes.map((http, i) => http.waitFor(/held/, 5000, before[i])))
  return { done }
}

/** Returns where its log stood. */
async function loseWorker(sluice: Sluice): Promise<number> {
  const before = sluice.process.stdout.length + sluice.process.stderr.length
  sluice.loseWorker()
  await sluice.process.waitFor(/ending thread \d+/, 5000, before)
  return before
}

/** How often the log says that a dataplane thread has come up. */
const startsOf = ({ process }: Sluice) => process.stderr.split('"dataplane started"').length - 1

/** Services with their real servers, without what changes by itself. */
async function configuration(sluice: Sluice): Promise<unknown> {
  const list = (await sluice.api('GET', SERVICES)) as { items: Record<string, unknown>[] }
  return list.items.map(item => stripped(item))
}

function stripped(document: Record<string, unknown>): Record<string, unknown> {
  const { realServers, ...rest } = document
  const servers = Object.entries((realServers ?? {}) as Record<string, Record<string, unknown>>)
  const inside = Object.fromEntries(servers.map(([name, server]) => [name, stripped(server)]))
  return { ...rest, status: null, realServers: inside }
}

/** Packet and raw sockets in the director's network: what a dead worker may leave open. */
async function openSockets({ host }: Sluice): Promise<number> {
  const files = ['/proc/net/packet', '/proc/net/raw', '/proc/net/raw6']
  return (await host.must(['cat', ...files])).trim().split('\n').length
}

/** Repeats a call that is refused while the dataplane restarts, for ten seconds at most. */
async function retried(call: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + 10_000
  for (;;) {
    try {
      await call()
      return
    } catch (error) {
      const unavailable = /DATAPLANE_UNAVAILABLE/.test(String(error))
      if (!unavailable || performance.now() > deadline) throw error
    }
  }
}

const serverOf = (name: 'a' | 'b' | 'c') => httpService('ipv4', { [name]: 1 }).realServers[name]!
