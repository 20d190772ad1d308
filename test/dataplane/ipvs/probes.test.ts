// Probes of health checks through a service: past scheduler and weight, and answered all the way.
import t from 'tap'
import { buildBytes } from '../../fixtures/packets.js'
import { Director } from '../../golden/director.js'
import { makeDriver } from '../../golden/topology.js'
import type { ProbeConfig } from '../../../dataplane/protocol.js'

const ENDS = {
  4: { client: '10.1.0.1', vip: '10.0.0.100', server: '192.168.10.12', option: '' },
  6: { client: '2001:db8:1::1', vip: '2001:db8::100', server: '2001:db8:10::12', option: '-6' },
}

function stage(family: 4 | 6) {
  const { client, vip, server } = ENDS[family]
  const vips = { vips: [ENDS[4].vip], vips6: [ENDS[6].vip] }
  const director = new Director(
    { ...vips, mtu_s: 1500, mtu_c: 1500, icmp_ratelimit: 0 },
    makeDriver,
  )
  const key = { family: family === 4 ? 'ipv4' : 'ipv6', protocol: 'tcp', address: vip, port: 80 }
  const probe = {
    ...{
      key,
      protocol: 'tcp',
      dest: { address: server, port: 80, forwarding: 'masq', tunnel: null },
    },
    ...{ client: { address: client, port: 4000 }, vip: { address: vip, port: 80 } },
  } as ProbeConfig
  const text = (address: string) => (family === 6 ? `[${address}]:80` : `${address}:80`)
  const command = (line: string) => director.command(`ipvsadm ${line}`)
  const prepare = async (method: string) => {
    await command(`-A -t ${text(vip)} -s rr`)
    const other = server.replace(/12$/, '11')
    await command(`-a -t ${text(vip)} -r ${text(other)} ${method} -w 1`)
    await command(`-a -t ${text(vip)} -r ${text(server)} ${method} -w 0`)
  }
  const segment = (src: string, dst: string, srcPort: number, dstPort: number, flags: string) =>
    buildBytes({ src, dst, tcp: { srcPort, dstPort, flags } })
  const syn = (port = 4000) => director.inject('client', segment(client, vip, port, 80, 'S'))
  const answer = (from: string) => director.inject('server', segment(from, client, 80, 4000, 'SA'))
  return { director, probe, prepare, syn, answer, client, vip, server }
}

/** Where frames went: the wire, and the last octet of their source and destination addresses. */
const last = (family: 4 | 6, address: string) =>
  family === 4 ? Number(address.split('.')[3]) : parseInt(address.split(':').at(-1)!, 16) & 0xff

const seen = (director: Director, family: 4 | 6) =>
  director.take().map(({ port, ip }) => {
    const [source, destination] = family === 4 ? [15, 19] : [23, 39]
    return `${port} ${ip[source]} ${ip[destination]}`
  })

for (const family of [4, 6] as const) {
  t.test(`IPv${family}: NAT, weight 0`, async t => {
    const { director, probe, prepare, syn, answer, client, vip, server } = stage(family)
    await prepare('-m')
    director.sysctl('expire_nodest_conn', '1')
    director.ipvs.probes.open(probe)
    syn()
    t.strictSame(
      seen(director, family),
      [`server ${last(family, client)} ${last(family, server)}`],
      'past the weight',
    )
    answer(server)
    t.strictSame(seen(director, family), [`client ${last(family, vip)} ${last(family, client)}`])
    syn(4001)
    const [other] = seen(director, family)
    t.not(
      other,
      `server ${last(family, client)} ${last(family, server)}`,
      'clients are scheduled as ever',
    )
    director.ipvs.probes.close(probe)
    t.equal(director.ipvs.probes.size, 0)
  })

  t.test(`IPv${family}: direct routing, answered as the service`, async t => {
    const { director, probe, prepare, syn, answer, client, vip } = stage(family)
    await prepare('-g')
    director.ipvs.probes.open(probe)
    syn()
    t.strictSame(seen(director, family), [`server ${last(family, client)} ${last(family, vip)}`])
    answer(vip)
    const frames = seen(director, family)
    t.ok(frames.includes(`client ${last(family, vip)} ${last(family, client)}`), 'handed on')
    director.ipvs.probes.close(probe)
    director.advanceTo(director.nowMs + 1000)
    answer(vip)
    if (family === 4) t.strictSame(seen(director, family), [], 'a martian again')
  })
}

for (const family of [4, 6] as const)
  for (const forwarding of ['masq', 'dr', 'tunnel'] as const)
    t.test(`IPv${family}, ${forwarding}: to one that its service is without`, async t => {
      const { director, probe, prepare, syn, answer, client, vip, server } = stage(family)
      await prepare('-m')
      const tunnel =
        forwarding === 'tunnel' ? ({ type: 'ipip', port: 0, checksum: 'none' } as const) : null
      const gone = server.replace(/12$/, '13')
      const dest = { address: gone, port: 80, forwarding, tunnel }
      const { records } = director.ipvs.conns
      const rows = director.ipvs.admin.rows()
      const before = records.size
      director.ipvs.probes.open({ ...probe, dest })
      syn()
      const [to] = seen(director, family)
      if (forwarding === 'dr') t.equal(to, `server ${last(family, client)} ${last(family, vip)}`)
      else t.ok(to!.endsWith(` ${last(family, gone)}`))
      if (forwarding === 'masq') {
        answer(gone)
        const back = `client ${last(family, vip)} ${last(family, client)}`
        t.strictSame(seen(director, family), [back])
      }
      t.strictSame(director.ipvs.admin.rows(), rows, 'nobody else gets it')
      director.ipvs.probes.close(probe)
      t.equal(records.size, before, 'no connection is left')
      for (let port = 4000; port < 4100; port++) {
        const own = { ...probe, dest, client: { ...probe.client, port } }
        director.ipvs.probes.open(own)
        director.ipvs.probes.open(own)
      }
      director.advanceTo(director.nowMs + 121_000)
      director.ipvs.probes.open({ ...probe, dest })
      t.equal(director.ipvs.probes.size, 1, 'those whose checker was lost are forgotten')
      t.equal(records.size, before + 1)
    })

t.test('an address that is withdrawn is no obstacle', async t => {
  const { director, probe, prepare, client, server } = stage(4)
  const elsewhere = '10.0.0.200'
  await director.command(`ipvsadm -A -t ${elsewhere}:80 -s rr`)
  await prepare('-m')
  const vip = { address: elsewhere, port: 80 }
  director.ipvs.probes.open({ ...probe, key: { ...probe.key, ...vip }, vip })
  const bytes = buildBytes({
    ...{ src: client, dst: elsewhere },
    tcp: { srcPort: 4000, dstPort: 80, flags: 'S' },
  })
  director.inject('client', bytes)
  t.strictSame(seen(director, 4), [`server ${last(4, client)} ${last(4, server)}`])
})

t.test('what is unknown is refused', async t => {
  const { director, probe, prepare } = stage(4)
  t.throws(() => director.ipvs.probes.open(probe), { code: 'ESRCH' })
  await prepare('-m')
  const dest = { ...probe.dest, address: '2001:db8:10::19' }
  t.throws(() => director.ipvs.probes.open({ ...probe, dest }), { code: 'EINVAL' })
  const vip = { address: '2001:db8::100', port: 80 }
  t.throws(() => director.ipvs.probes.open({ ...probe, vip }), { code: 'EINVAL' })
  t.throws(() => director.ipvs.probes.open({ ...probe, vip: { address: 'x', port: 1 } }), {
    code: 'EINVAL',
  })
  t.equal(director.ipvs.probes.size, 0)
})
