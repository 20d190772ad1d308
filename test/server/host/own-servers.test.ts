import t from 'tap'
import { OwnServers } from '../../../server/host/own-servers.js'
import { Namespaces } from './namespaces.js'

const spaces = new Namespaces('own')
t.teardown(() => spaces.close())
spaces.link('d', 'd0', 'p', 'p0')
const run = spaces.run('d')
const OWN = ['192.0.2.1', '2001:db8:1::1']

/** What a packet with the guard's mark would do, as the kernel says. */
async function route(family: string, address: string): Promise<string> {
  const args = [family, 'route', 'get', address, 'mark', '0x40000000']
  return run('ip', args).catch((error: unknown) => String(error))
}
const rules = async () => (await run('ip', ['rule'])) + (await run('ip', ['-6', 'rule']))

t.test('marked packets go to the loopback interface while there are servers here', async t => {
  spaces.ip(
    'd',
    'link set lo up',
    'addr add 192.0.2.1/24 dev d0',
    'addr add 2001:db8:1::1/64 dev d0 nodad',
  )
  const before = await rules()
  const own = new OwnServers({ run, addresses: () => new Set(OWN) })
  await own.uninstall()
  await own.follow(['10.0.0.1'], true)
  t.equal(await rules(), before, 'not for servers elsewhere')

  await own.follow(['10.0.0.1', '192.0.2.1'], false)
  t.match(await route('-4', '192.0.2.9'), 'dev lo')
  t.match(await route('-6', '2001:db8:1::9'), 'dev d0', 'the other family is left alone')
  await own.follow(['2001:db8:1::1'], false)
  t.match(await route('-6', '2001:db8:1::9'), 'dev lo')
  t.match(await route('-4', '192.0.2.9'), 'dev lo', 'nothing was taken away')
  t.notMatch(await run('ip', ['route', 'get', '192.0.2.9']), 'dev lo', 'nor other packets touched')

  await own.follow(['2001:db8:1::1'], true)
  t.notMatch(await route('-4', '192.0.2.9'), 'dev lo')
  // Another one after a SIGKILL finds what the first left.
  const next = new OwnServers({ run, addresses: () => new Set(OWN) })
  await next.uninstall()
  t.equal(await rules(), before)
  await own.uninstall()
})
