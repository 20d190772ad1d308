import t from 'tap'
import type { KillFilter } from '../../../../dataplane/protocol.js'
import { Bench, CAST } from './bench.js'

const { vip, client, a, b } = CAST.ipv4
const six = CAST.ipv6
const web = { family: 'ipv4', protocol: 'tcp', address: vip, port: 80 } as const
const web6 = { family: 'ipv6', protocol: 'tcp', address: six.vip, port: 80 } as const
const dns = { family: 'ipv4', protocol: 'udp', address: vip, port: 53 } as const

function setUp(): Bench {
  const bench = new Bench()
  bench.add(web, [a, b], { persistence: { timeoutS: 300, netmask: '255.255.255.255' } })
  bench.add(web6, [six.a])
  bench.add(dns, [a])
  const syn = { srcPort: 4000, dstPort: 80, flags: 'S' }
  bench.client({ src: client, dst: vip, tcp: syn })
  bench.client({ src: client, dst: vip, tcp: { ...syn, flags: '.' } })
  bench.client({ src: '192.0.3.1', dst: vip, tcp: syn })
  bench.client({ src: six.client, dst: six.vip, tcp: syn })
  bench.client({ src: client, dst: vip, udp: { srcPort: 4000, dstPort: 53 } })
  return bench
}

const cases: readonly [filter: KillFilter, connections: number, templates: number][] = [
  [{}, 4, 2],
  [{ service: web }, 2, 2],
  [{ service: web6 }, 1, 0],
  [{ service: dns }, 1, 0],
  [{ service: web, server: { address: a, port: 80 } }, 1, 1],
  [{ realServer: { address: a } }, 2, 1],
  [{ realServer: { address: a, port: 53 } }, 1, 0],
  [{ realServer: { address: '192.168.10.0/24' } }, 3, 2],
  [{ client: { address: client } }, 2, 1],
  [{ client: { address: '192.0.2.0/23' } }, 3, 2],
  [{ client: { address: '2001:db8:1::/64' } }, 1, 0],
  [{ client: { address: client, port: 4000 } }, 2, 0],
  [{ state: 'ESTABLISHED' }, 1, 0],
  [{ state: 'SYN_RECV' }, 2, 0],
  [{ protocol: 'udp' }, 1, 0],
  [{ protocol: 'sctp' }, 0, 0],
  [{ template: true }, 0, 2],
  [{ template: false }, 4, 0],
  [{ client: { address: client }, protocol: 'tcp', template: false }, 1, 0],
]

for (const [filter, connections, templates] of cases) {
  t.test(`${JSON.stringify(filter)}: ${connections} and ${templates}`, async t => {
    const bench = setUp()
    t.match(bench.kill({ filter, dryRun: true }), { connections, templates }, 'on trial')
    t.match(bench.kill({ filter }), { connections, templates })
    t.match(
      bench.kill({ filter, dryRun: true }),
      { connections: 0, templates: 0 },
      'and none is left',
    )
  })
}

t.test('what it names must be there', async t => {
  const { killer } = setUp().ipvs
  const start = (filter: KillFilter) => () => killer.start(1, { filter, reset: true, dryRun: true })
  t.throws(start({ service: { ...web, port: 81 } }), { code: 'ESRCH' })
  t.throws(start({ service: web, server: { address: '192.168.10.13', port: 80 } }), {
    code: 'ENOENT',
  })
  t.throws(start({ client: { address: '192.0.2.0/33' } }), { code: 'EINVAL' })
  t.notOk(killer.busy)
})

t.test('connections of a deleted service are found by what they go to', async t => {
  const bench = setUp()
  bench.ipvs.admin.delService(web)
  t.match(bench.kill({ filter: { realServer: { address: b } }, dryRun: true }), { connections: 1 })
  bench.add(web, [a])
  t.match(bench.kill({ filter: { service: web }, dryRun: true }), { connections: 2 })
})
