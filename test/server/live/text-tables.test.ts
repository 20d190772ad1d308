// What the API gives as text is what `ipvsadm` prints, whose listings are compared with those of
// the real program in test/cli/ipvsadm.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { run } from '../../../cli/ipvsadm/command.js'
import { RestBackend } from '../../../cli/ipvsadm/rest-backend.js'
import { RestCaller } from '../../../cli/ipvsadm/rest-caller.js'
import { SharedConnections } from '../../../server/live/connections.js'
import { EngineDataplane } from '../fixtures/engine-dataplane.js'
import { startAppliance } from '../fixtures/appliance.js'

const server = (address: string) => ({ address, port: 8080 })
const web = {
  ...{ protocol: 'tcp', address: '198.51.100.10', port: 80, scheduler: 'rr' },
  realServers: { a: server('192.168.10.11'), b: { ...server('192.168.10.12'), weight: 7 } },
}
const six = {
  ...{ protocol: 'udp', address: '2001:db8:f::1', port: 53, persistence: { timeoutSeconds: 60 } },
  realServers: { x: { address: '2001:db8:2::1', forwarding: 'tunnel' } },
}

t.test('the same tables as ipvsadm’s', async t => {
  const dataplane = new EngineDataplane()
  dataplane.topology.addAddress('198.51.100.10/32', 'eth0')
  const connections = new SharedConnections(dataplane.memory)
  const a = await startAppliance({ dataplane, connections })
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  const socketPath = join(folder, 'api.sock')
  await a.app.listen({ path: socketPath })
  const api = new RestCaller({ socketPath })
  t.teardown(async () => {
    api.close()
    await a.close()
    rmSync(folder, { recursive: true })
  })
  await a.send('PUT', '/v1/virtual-services/web', web)
  await a.send('PUT', '/v1/virtual-services/six', six)
  for (let port = 40000; port < 40003; port++)
    dataplane.receive({
      ...{ src: '192.0.2.9', dst: '198.51.100.10' },
      tcp: { srcPort: port, dstPort: 80, flags: 'S' },
    })
  dataplane.advance(4)
  const text = async (url: string, accept = 'text/plain') => {
    const answer = await a.send('GET', url, undefined, { accept })
    t.equal(answer.statusCode, 200)
    t.equal(answer.headers['content-type'], `${accept}; charset=utf-8`)
    return answer.body
  }
  const ipvsadm = async (...args: string[]) =>
    (await run(args, new RestBackend(api), { stdin: '' })).stdout
  t.equal(await text('/v1/virtual-services?limit=1'), await ipvsadm('-Ln'))
  t.match(await text('/v1/virtual-services'), / {2}-> 192\.168\.10\.12:8080 +Masq +7 +2 +0 /)
  t.equal(await text('/v1/stats'), await ipvsadm('-Ln', '--stats'))
  t.equal(await text('/v1/stats?table=rates'), await ipvsadm('-Ln', '--rate'))
  const one = await text('/v1/stats?service=web')
  t.equal(one, await ipvsadm('-Ln', '--stats', '-t', '198.51.100.10:80'))
  t.equal(await text('/v1/connections'), await ipvsadm('-Lnc'))
  t.match(await text('/v1/connections'), /TCP 00:5\d {2}SYN_RECV +192\.0\.2\.9:4000\d +/)

  const lines = (await text('/v1/connections', 'application/x-ndjson')).trimEnd().split('\n')
  const page = (await a.send('GET', '/v1/connections')).json<{ items: object[] }>()
  t.strictSame(
    lines.map(line => JSON.parse(line) as object),
    page.items,
  )
  t.equal(page.items.length, 3)
  const two = await text('/v1/connections?limit=2', 'application/x-ndjson')
  t.equal(two.split('\n').length - 1, 2)
  for (const [query, status] of [
    ['client=x', 400],
    ['cursor=x', 400],
  ] as const)
    t.equal(
      (await a.send('GET', `/v1/connections?${query}`, undefined, { accept: 'text/plain' }))
        .statusCode,
      status,
    )
})
