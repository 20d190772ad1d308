import t from 'tap'
import { buildBytes } from '../../fixtures/packets.js'
import { Director } from '../../golden/director.js'
import { makeDriver } from '../../golden/topology.js'

const LAB = {
  ...{ vips: ['10.0.0.100'], vips6: [], mtu_s: 1500, mtu_c: 1500, icmp_ratelimit: 0 },
}

t.test('a marked packet to port 0 has a template of its own address (semantics 4.6)', async t => {
  const director = new Director(LAB, makeDriver)
  await director.command('ipvsadm -A -f 7 -s rr -p 600')
  await director.command('ipvsadm -a -f 7 -r 192.168.10.11:0 -g')
  director.addMarkRule({ mark: 7, family: 'ipv4', destination: '10.0.0.100/32', protocol: 'udp' })
  for (const dstPort of [0, 53]) {
    const packet = { src: '10.1.0.1', dst: '10.0.0.100', udp: { srcPort: 4000, dstPort } }
    director.inject('client', buildBytes(packet))
  }
  const { stdout } = await director.command('ipvsadm -Lnc')
  // `dst_port == svc->port` comes before the mark.
  t.match(stdout, /^UDP \S+ +NONE +10\.1\.0\.1:0 +10\.0\.0\.100:0 +192\.168\.10\.11:0$/m)
  t.match(stdout, /^IP +\S+ +NONE +10\.1\.0\.1:0 +0\.0\.0\.7:0 +192\.168\.10\.11:0$/m)
})
