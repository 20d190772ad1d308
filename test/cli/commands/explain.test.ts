import t from 'tap'
import { EngineDataplane } from '../../server/fixtures/engine-dataplane.js'
import { openTerminal } from './terminal.js'

// Real servers on the network that the fixture's second interface has.
const web = {
  ...{ protocol: 'tcp', address: '198.51.100.10', port: 80, scheduler: 'wrr' },
  realServers: {
    a: { address: '192.168.10.11', port: 8080, weight: 2 },
    b: { address: '192.168.10.12', port: 8080, weight: 0 },
  },
}

t.test('an explanation, step by step', async t => {
  const dataplane = new EngineDataplane()
  dataplane.topology.addAddress('198.51.100.10/32', 'eth0')
  const { appliance, run } = await openTerminal(t, { dataplane })
  await appliance.send('PUT', '/v1/virtual-services/web', web)
  const args = ['explain', '--client', '192.0.2.9:40000', '--to', '198.51.100.10:80']
  const { out, exit } = await run(args)
  t.equal(exit, 0)
  t.match(out, /^packet +ip 192\.0\.2\.9\.40000 > 198\.51\.100\.10\.80: tcp S/m)
  t.match(out, /^service +web \(tcp 198\.51\.100\.10:80\), found by exact, scheduler wrr$/m)
  t.match(
    out,
    /^connection +new: 192\.0\.2\.9:40000 > 198\.51\.100\.10:80 > 192\.168\.10\.11:8080/m,
  )
  t.match(out, /^a +192\.168\.10\.11:8080 +masq +2 +\d+ +\d+ +chosen$/m)
  t.match(out, /^b +192\.168\.10\.12:8080 +masq +0 +\d+ +\d+ +weightZero$/m)
  t.match(out, /^sent +ip 192\.0\.2\.9\.40000 > 192\.168\.10\.11\.8080/m)
  t.match(out, /^verdict +forwarded/m)

  const json = JSON.parse((await run([...args, '-o', 'json'])).out) as {
    packet: { hex: string }
    service: { name: string }
  }
  t.equal(json.service.name, 'web')
  const packet = await run(['explain', '--packet', json.packet.hex, '--interface', 'eth0'])
  t.match(packet.out, /^verdict +forwarded/m)

  const nobody = await run(['explain', '--client', '192.0.2.9:1', '--to', '198.51.100.77:80'])
  t.match(nobody, { exit: 0, out: /^service +none$/m })
  t.match(await run(['explain', '--to', '198.51.100.10:80']), { exit: 2, err: /--client/ })
  t.match(await run(['explain', '--client', '::1:1', '--to', 'x']), { exit: 2, err: /\[ipv6\]/ })
  const other = ['explain', '--client', '[2001:db8:1::1]:1', '--to', '198.51.100.10:80']
  t.match(await run(other), { exit: 7 })
})
