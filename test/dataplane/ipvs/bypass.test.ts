// cache_bypass where the recordings have none (semantics 1.4-1).
import t from 'tap'
import { buildBytes } from '../../fixtures/packets.js'
import { Director } from '../../golden/director.js'
import { makeDriver } from '../../golden/topology.js'

const ENDS = {
  4: { src: '10.1.0.1', dst: '10.0.0.100' },
  6: { src: '2001:db8:1::1', dst: '2001:db8::100' },
}

for (const family of [4, 6] as const) {
  t.test(`IPv${family}: a mark on an address of ours, and nobody to serve it`, async t => {
    const { dst } = ENDS[family]
    const vips = { vips: [ENDS[4].dst], vips6: [ENDS[6].dst] }
    const director = new Director(
      { ...vips, mtu_s: 1500, mtu_c: 1500, icmp_ratelimit: 0 },
      makeDriver,
    )
    const destination = `${dst}/${family === 4 ? 32 : 128}`
    director.addMarkRule({ mark: 7, family: `ipv${family}`, destination, protocol: 'tcp' })
    await director.command(`ipvsadm -A -f 7 -s rr${family === 4 ? '' : ' -6'}`)
    director.sysctl('cache_bypass', '1')
    const tcp = { srcPort: 4000, dstPort: 80, flags: 'S' }
    director.inject('client', buildBytes({ ...ENDS[family], tcp }))
    const listed = (await director.command('ipvsadm -Lnc')).out.includes('SYN_RECV')
    if (family === 4) {
      t.equal(director.take().length, 1, 'port unreachable')
      t.notOk(listed, 'never bypassed')
    } else {
      // The kernel asks about the address less closely, and then finds no way to it.
      t.equal(director.take().length, 0)
      t.ok(listed)
    }
  })
}
