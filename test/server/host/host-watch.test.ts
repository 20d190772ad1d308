import t from 'tap'
import { HostWatch, MONITOR } from '../../../server/host/host-watch.js'
import { PacketGuard } from '../../../server/host/packet-guard.js'
import { Namespaces } from './namespaces.js'

const spaces = new Namespaces('watch')
t.teardown(() => spaces.close())
const run = spaces.run('d')
const monitor = ['ip', 'netns', 'exec', spaces.name('d'), ...MONITOR]
/** Longer than any test: what happens before happens because nftables told. */
const lookMs = 3_600_000

t.test('a guard that is taken away is back without waiting for the next look', async t => {
  const guard = new PacketGuard({ interfaces: ['d0'], run })
  let heard = false
  let back = () => {}
  const watch = new HostWatch({
    verify: async () => {
      heard = true
      if (await guard.verify()) back()
    },
    ...{ monitor, lookMs },
  })
  t.teardown(() => watch.close())
  // Nobody says when the monitor has begun to listen, but that it hears.
  while (!heard) {
    await run('nft', ['add', 'table', 'inet', 'sluice'])
    await run('nft', ['delete', 'table', 'inet', 'sluice'])
  }
  await guard.add([{ role: 'vip', address: '192.0.2.80', protocol: 'tcp', port: 80 }])
  for (const how of ['flush ruleset', 'delete table inet sluice']) {
    const mended = new Promise<void>(resolve => (back = resolve))
    await run('nft', how.split(' '))
    await mended
    t.match(await run('nft', ['list', 'table', 'inet', 'sluice']), '192.0.2.80 . tcp . 80', how)
  }
  await guard.uninstall()
})

t.test('looks that are wanted during a look are one more look', async t => {
  let looks = 0
  let finish = () => {}
  let begun = () => {}
  const first = new Promise<void>(resolve => (begun = resolve))
  const second = new Promise<void>(resolve => {
    const watch = new HostWatch({
      verify: () => {
        looks++
        if (looks === 2) return Promise.resolve(resolve())
        begun()
        return new Promise(done => (finish = done))
      },
      monitor: ['printf', 'delete table inet sluice\\n'.repeat(4)],
      lookMs,
    })
    t.teardown(() => watch.close())
  })
  await first
  finish()
  await second
  t.equal(looks, 2)
})

t.test('without the tool there are still the looks', async t => {
  let watch: HostWatch | null = null
  await new Promise<void>(resolve => {
    watch = new HostWatch({
      verify: () => Promise.resolve(resolve()),
      ...{ monitor: ['/nonexistent/nft'], lookMs: 1 },
    })
  })
  watch!.close()
  t.pass('looked')
})
