/**
 * lblc and lblcr hold references to the real servers that they remember (ip_vs_dest_hold), so a
 * deleted one stays in the trash, and comes back with its statistics, for as long (semantics 2.7,
 * 3.12 and 3.13).
 */
import t from 'tap'
import { Director } from '../../../golden/director.js'
import { makeDriver } from '../../../golden/topology.js'
import { buildBytes } from '../../../fixtures/packets.js'

const LAB = {
  ...{ vips: ['10.0.0.100'], vips6: [], mtu_s: 1500, mtu_c: 1500, icmp_ratelimit: 0 },
}
const SERVICE = '-u 10.0.0.100:53'
/** Beyond the 300 s of a UDP connection and everything that the trash waits for. */
const LONG_MS = 1_000_000

class Bench {
  readonly director = new Director(LAB, makeDriver)

  async run(...commands: string[]): Promise<void> {
    for (const command of commands) await this.director.command(`ipvsadm ${command}`)
  }

  datagram(): void {
    const packet = { src: '10.1.0.1', dst: '10.0.0.100', udp: { srcPort: 4000, dstPort: 53 } }
    this.director.inject('client', buildBytes(packet))
    this.director.take()
  }

  wait(ms: number): void {
    this.director.advanceTo(this.director.nowMs + ms)
  }

  /** Connections that server `k` has had, null when it is not configured. */
  async conns(k: number): Promise<number | null> {
    this.wait(4000)
    const { stdout } = await this.director.command('ipvsadm -Ln --stats --exact')
    const found = new RegExp(`-> 192\\.168\\.10\\.${10 + k}:53 +(\\d+)`).exec(stdout)
    return found === null ? null : Number(found[1])
  }
}

const server = (k: number) => `${SERVICE} -r 192.168.10.${10 + k}:53`

async function withServer(scheduler: string): Promise<Bench> {
  const bench = new Bench()
  await bench.run(`-A ${SERVICE} -s ${scheduler}`, `-a ${server(1)} -m`)
  bench.datagram()
  await bench.run(`-d ${server(1)}`)
  return bench
}

for (const scheduler of ['lblc', 'lblcr']) {
  t.test(`${scheduler} keeps a server that it remembers`, async t => {
    const bench = await withServer(scheduler)
    bench.wait(LONG_MS)
    await bench.run(`-a ${server(1)} -m`)
    t.equal(await bench.conns(1), 1, 'as if it had never been away')
    bench.datagram()
    t.equal(await bench.conns(1), 2)
  })

  t.test(`not when ${scheduler} has gone with its memory`, async t => {
    const bench = await withServer(scheduler)
    await bench.run(`-E ${SERVICE} -s rr`)
    bench.wait(LONG_MS)
    await bench.run(`-a ${server(1)} -m`)
    t.equal(await bench.conns(1), 0)
    await bench.run(`-E ${SERVICE} -s ${scheduler}`)
    bench.datagram()
    await bench.run(`-D ${SERVICE}`)
    bench.wait(LONG_MS)
    t.equal(bench.director.ipvs.admin.trash.size, 0, 'and with its service it goes as well')
  })
}

t.test('lblc forgets a server once another one takes its place', async t => {
  const bench = await withServer('lblc')
  await bench.run(`-a ${server(2)} -m`)
  bench.wait(LONG_MS)
  bench.datagram()
  bench.wait(LONG_MS)
  await bench.run(`-a ${server(1)} -m`)
  t.equal(await bench.conns(1), 0)
})

t.test('lblcr keeps it in the set, whoever else is there', async t => {
  const bench = await withServer('lblcr')
  await bench.run(`-a ${server(2)} -m`)
  bench.wait(LONG_MS)
  bench.datagram()
  bench.wait(LONG_MS)
  await bench.run(`-a ${server(1)} -m`)
  t.equal(await bench.conns(1), 1)
})

t.test('schedulers that remember nothing keep nobody', async t => {
  for (const scheduler of ['rr', 'dh', 'sh', 'mh']) {
    const bench = await withServer(scheduler)
    bench.wait(LONG_MS)
    await bench.run(`-a ${server(1)} -m`)
    t.equal(await bench.conns(1), 0, scheduler)
  }
})
