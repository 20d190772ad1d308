import t from 'tap'
import { classifyTarget } from '../../../server/health/target-class.js'

t.test('the own address in any spelling', async t => {
  t.match(classifyTarget('2001:DB8:2:0::1', '2001:db8:2::1'), { own: true, scope: 'global' })
  t.match(classifyTarget('10.0.0.1', '10.0.0.1'), { own: true, scope: 'global' })
  t.match(classifyTarget('10.0.0.2', '10.0.0.1'), { own: false, scope: 'global' })
  t.match(classifyTarget('10.0.0.2', null), { own: false })
})

t.test('loopback, link-local, this host', async t => {
  for (const address of ['127.0.0.1', '127.255.255.254', '::1', '0:0:0:0:0:0:0:1'])
    t.match(classifyTarget(address, '10.0.0.1'), { own: false, scope: 'loopback' }, address)
  for (const address of ['169.254.169.254', 'fe80::1', 'FEBF::1'])
    t.match(classifyTarget(address, '10.0.0.1'), { scope: 'linkLocal' }, address)
  const hosts = ['198.51.100.10', '2001:DB8:F::10']
  t.match(classifyTarget('198.51.100.10', null, hosts), { scope: 'host' })
  t.match(classifyTarget('2001:db8:f::10', null, hosts), { scope: 'host' })
  t.match(classifyTarget('fec0::1', null, hosts), { scope: 'global' })
  t.match(classifyTarget('127.0.0.1', '127.0.0.1'), { own: true, scope: 'loopback' })
})

t.test('other ways to write this host, and what no host has', async t => {
  for (const address of [
    ...['0.0.0.0', '0.1.2.3', '::', '::ffff:127.0.0.1', '::ffff:7f00:1', '::127.0.0.1'],
    ...['224.0.0.1', 'ff02::1', '255.255.255.255'],
    ...['localhost', 'fe80::1%eth0', '127.1', '0x7f.0.0.1', '', '10.0.0.1:80'],
  ])
    t.match(classifyTarget(address, null), { usable: false, reason: /./ }, address)
})
