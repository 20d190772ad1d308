// Health checks through the service find servers that answer directly, but not to its clients.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { DestConfig } from '../../dataplane/protocol.js'
import type { CheckedServer } from '../../server/health/check-spec.js'
import { PROBE_ADDRESSES } from '../../server/health/probe-network.js'
import {
  DIRECTOR_DEVICES,
  DIRECTOR_SERVER_SIDE,
  FAMILIES,
  serverAddress,
  VIP,
} from '../lab/cast.js'
import type { Family, ServerName } from '../lab/cast.js'
import { Lab } from '../lab/lab.js'
import { HTTP_PORT_2, startServers } from '../lab/real-server.js'
import { program } from '../lab/root.js'
import type { ProberOrder } from '../lab/service-prober.js'
import { holdAddresses, TunnelEnd } from '../lab/tunnel-end.js'
import { build } from '../lab/topology.js'
import { check } from '../fixtures/health/checks.js'

const IPIP = { type: 'ipip', port: 0, checksum: 'none' } as const
const NAMES = ['a', 'b'] as const

for (const family of FAMILIES)
  for (const forwarding of ['masq', 'dr', 'tunnel'] as const)
    t.test(`${family}, ${forwarding}`, async t => {
      const lab = await Lab.open()
      t.teardown(() => lab.close())
      const { director, servers } = await build(lab, { servers: 2 })
      await startServers(servers)
      const bits = family === 'ipv4' ? 32 : 128
      await director.ip(`addr add ${VIP[family]}/${bits} dev lo`)
      // What the packet guard of `sluice serve` does.
      await director.nft(guard(family))
      if (forwarding === 'dr') await holdAddresses(servers.get('a')!)
      const b = servers.get('b')!
      if (forwarding === 'tunnel') {
        const own = [serverAddress('a', family)]
        await TunnelEnd.start(servers.get('a')!, {
          own,
          from: [DIRECTOR_SERVER_SIDE[family]],
          hops: 0,
        })
      }
      // A has everything. NAT: b's answers go elsewhere. The others: b lacks the address, and the tunnel's end.
      if (forwarding === 'masq')
        await b.ip(`route add blackhole ${PROBE_ADDRESSES[family]}/${bits}`)
      const prober = director.start(
        [process.execPath, program('service-prober'), order(lab, family, forwarding)],
        {
          env: { NODE_OPTIONS: '', NODE_V8_COVERAGE: '' },
        },
      )
      t.teardown(() => prober.stop())
      await prober.waitFor(/^ready$/m, 60_000)
      prober.tell('look')
      await prober.waitFor(/^looked$/m, 60_000)
      const results = prober.stdout.split('\n').filter(line => line.startsWith('{'))
      t.match(
        results.map(line => JSON.parse(line) as object),
        [
          { server: 'a', check: 'direct', outcome: 'success' },
          { server: 'a', check: 'through', outcome: 'success' },
          { server: 'b', check: 'direct', outcome: 'success' },
          { server: 'b', check: 'through', outcome: 'failure', reason: /timeout|unreachable/ },
        ],
      )
      // The body says who answered: the weight is 0, and nobody else was asked.
      t.match(results[1], /\\"a\\\\n\\"|with \\"a/)
      t.equal(await prober.stop(), 0)
    })

function order(lab: Lab, family: Family, forwarding: 'masq' | 'dr' | 'tunnel'): string {
  const vip = { address: VIP[family], port: HTTP_PORT_2 }
  const dests = NAMES.map((name, i): DestConfig => ({
    ...{ address: serverAddress(name, family), port: HTTP_PORT_2, forwarding },
    // b alone would be asked by a client.
    ...{ weight: i, tunnel: forwarding === 'tunnel' ? IPIP : null },
    ...{ upperThreshold: 0, lowerThreshold: 0 },
  }))
  const content: ProberOrder = {
    namespace: `${lab.id}-probe`,
    interfaces: [...DIRECTOR_DEVICES],
    service: {
      ...{ key: { family, protocol: 'tcp', ...vip }, scheduler: 'rr', schedulerFlags: [] },
      ...{ persistence: null, onePacket: false },
    },
    dests,
    servers: NAMES.map(name => checked(name, family, vip)),
  }
  const file = join(lab.folder, 'order.json')
  writeFileSync(file, JSON.stringify(content))
  return file
}

function checked(
  name: ServerName,
  family: Family,
  vip: { address: string; port: number },
): CheckedServer {
  const fields = {
    timeoutMs: 2000,
    intervalMs: 600_000,
    match: { kind: 'text' as const, text: name },
  }
  return {
    ...{ service: 'web', server: name, address: serverAddress(name, family), port: HTTP_PORT_2 },
    ...{ protocol: 'tcp', vip, required: 2 },
    checks: [
      { name: 'direct', spec: check('http', fields), lastKnown: null },
      { name: 'through', spec: check('http', { ...fields, via: 'service' }), lastKnown: null },
    ],
  }
}

const guard = (family: Family) => {
  const ip = family === 'ipv4' ? 'ip' : 'ip6'
  const servers = NAMES.map(name => serverAddress(name, family)).join(', ')
  return `add table inet guard; add chain inet guard in { type filter hook prerouting priority raw; }
add rule inet guard in ${ip} daddr ${VIP[family]} tcp dport ${HTTP_PORT_2} drop
add rule inet guard in ${ip} saddr { ${servers} } ${ip} daddr != ${DIRECTOR_SERVER_SIDE[family]} tcp sport ${HTTP_PORT_2} drop
`
}
