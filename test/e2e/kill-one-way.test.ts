/**
 * Ending connections whose answers do not pass the director: the client is reset by its own
 * numbers, the server by the client's, or by what the client's host answers to it.
 */
import { join } from 'node:path'
import t from 'tap'
import { FAMILIES, serverAddress, VIP } from '../lab/cast.js'
import { answerDirectly } from '../lab/one-way.js'
import { ROOT } from '../lab/root.js'
import { holdAddresses } from '../lab/tunnel-end.js'
import { setOneWayStage } from './one-way-stage.js'
import { endStage } from './stage.js'

const PORT = 7000
const PEER = join(ROOT, 'test/lab/programs/tcp-peer.py')
/** A lost answer costs a retry; TCP itself would never notice on an idle connection. */
const PROMPT_MS = 5000

const stage = await setOneWayStage(t, { method: 'dr', servers: 1, mtuOctets: 1500 })
const { topology, director } = stage
const { client } = topology
for (const host of topology.servers.values()) await holdAddresses(host)
await answerDirectly(topology)
const [host] = topology.servers.values()
const server = host!.start(['python3', PEER, 'listen', String(PORT)])
await server.waitFor(/ready/)

for (const family of FAMILIES) {
  for (const mode of ['idle', 'stream'] as const) {
    t.test(`${family}: ${mode}`, async t => {
      await director.api('PUT', `/v1/virtual-services/long-${family}`, {
        ...{ protocol: 'tcp', address: VIP[family], port: PORT },
        realServers: { a: { address: serverAddress('a', family), forwarding: 'dr' } },
      })
      const from = server.stdout.length
      const peer = client.start(['python3', PEER, 'connect', VIP[family], String(PORT), mode])
      await peer.waitFor(/open/)
      await server.waitFor(/open/, PROMPT_MS, from)
      const startedMs = performance.now()
      const path = `/v1/connections?service=long-${family}&kind=connection`
      t.match(await director.api('DELETE', path), { connections: 1 })
      await peer.waitFor(/reset/, PROMPT_MS)
      await server.waitFor(/reset/, PROMPT_MS, from)
      t.comment(`both ends were reset within ${Math.round(performance.now() - startedMs)} ms`)
    })
  }
}

endStage(t, stage)
