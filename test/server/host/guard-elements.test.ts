import t from 'tap'
import { elementsOf } from '../../../server/host/guard-elements.js'

const sets = (endpoint: Parameters<typeof elementsOf>[0]) =>
  elementsOf(endpoint)
    .filter(({ set }) => !/_quoted|_hosts/.test(set))
    .map(({ set, element }) => `${set} ${element}`)

t.test('an FTP service owns its data port, and what clients send to unprivileged ones', async t => {
  const ftp = { protocol: 'tcp', ftp: true } as const
  t.strictSame(sets({ ...ftp, role: 'vip', address: '198.51.100.10', port: 21 }), [
    'vip4 198.51.100.10 . 6 . 21',
    'vip4 198.51.100.10 . 6 . 20',
    'vip4_ftp 198.51.100.10',
  ])
  t.strictSame(sets({ ...ftp, role: 'real', address: '10.0.0.1', port: 1 }), [
    'real4 10.0.0.1 . 6 . 1',
    'real4_ftp 10.0.0.1',
  ])
  t.strictSame(sets({ ...ftp, role: 'real', address: '2001:db8::1', port: 2121 }), [
    'real6 2001:db8::1 . 6 . 2121',
    'real6 2001:db8::1 . 6 . 2120',
    'real6_ftp 2001:db8::1',
  ])
  t.strictSame(sets({ role: 'real', protocol: 'tcp', address: '10.0.0.1', port: 21 }), [
    'real4 10.0.0.1 . 6 . 21',
  ])
})
