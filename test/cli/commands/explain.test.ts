import t from 'tap'
import { EngineDataplane } from '../../server/fixtures/engine-dataplane.js'
import type { Schema } from '../../../cli/commands/fields.js'
import { document } from '../../server/openapi/published.js'
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

t.test('what a field may hold', async t => {
  const { run } = await openTerminal(t)
  const text = async (field: string) => {
    const { out, err, exit } = await run(['explain', field])
    t.equal(exit, 0, err)
    return out
  }
  const { components } = document as unknown as {
    components: { schemas: Record<string, { properties: Record<string, Schema> }> }
  }
  const { VirtualServiceConfig: service, RealServerConfig: server } = components.schemas
  const scheduler = await text('service.scheduler')
  t.match(scheduler, /^FIELD +service\.scheduler\nTYPE +string$/m)
  t.match(scheduler, /^DEFAULT +"wlc"$/m)
  t.match(scheduler, `ALLOWED     ${service!.properties.scheduler!.enum!.join(', ')}\n`)
  const all = await text('service')
  for (const [name, { readOnly }] of Object.entries(service!.properties))
    t.equal(new RegExp(`^  ${name} `, 'm').test(all), readOnly !== true, name)
  t.match(await text('service.persistence.timeoutSeconds'), /^RANGE +\d+ to \d+$/m)
  const { description = '' } = server!.properties.weight!
  for (const path of [
    'server.weight',
    'service.realServers.weight',
    'config.virtualServices.realServers.weight',
  ])
    t.match(await text(path), description, path)
  t.match(await text('health-check.kind'), /^REQUIRED +yes$/m)
  t.match(await text('service.labels'), /^TYPE +map of name to string$/m)

  t.match(await run(['explain', 'servcie']), { exit: 2, err: /did you mean 'service'/ })
  t.match(await run(['explain', 'service.shceduler']), { exit: 2, err: /did you mean 'scheduler'/ })
  t.match(await run(['explain', 'service.port.x']), { exit: 2, err: /it has no fields/ })
  t.match(await run(['explain', '--help']), { out: /service\.scheduler/ })
  t.equal((await run(['__complete', '--', 'explain', 'mai'])).out, 'maintenance\n')
  t.equal(
    (await run(['__complete', '--', 'explain', 'service.sched'])).out,
    'service.scheduler\nservice.schedulerFlags\n',
  )
  t.equal(
    (await run(['__complete', '--', 'explain', 'service.persistence.n'])).out,
    'service.persistence.netmask\n',
  )
})
