import t from 'tap'
import { Dest } from '../../../dataplane/ipvs/dest.js'
import { Service, type Address } from '../../../dataplane/ipvs/service.js'
import { ServiceTable } from '../../../dataplane/ipvs/service-table.js'
import { Flow } from '../../../dataplane/packet.js'
import { DROUTE, MASQ } from '../../../dataplane/shared/conn-record.js'
import { STRIDE } from '../../../dataplane/shared/statistics.js'
import * as address from '../../../dataplane/wire/address.js'

const TCP = 6
const UDP = 17

const at = (text: string): Address => address.parse(text)!
let row = 1
const service = (text: string, port: number, protocol = TCP, fwmark = 0): Service =>
  new Service(row++, { ...at(text), protocol, port, fwmark })

function flow(
  dst: string,
  dstPort: number,
  protocol = TCP,
  src = '192.0.2.1',
  srcPort = 999,
): Flow {
  const f = new Flow()
  const [s, d] = [at(src), at(dst)]
  f.family = d.family
  f.protocol = protocol
  ;[f.src0, f.src1, f.src2, f.src3] = [s.w0, s.w1, s.w2, s.w3]
  ;[f.dst0, f.dst1, f.dst2, f.dst3] = [d.w0, d.w1, d.w2, d.w3]
  f.srcPort = srcPort
  f.dstPort = dstPort
  return f
}

t.test('lookup order: mark, exact, FTP data, any port (semantics 1.3)', async t => {
  const table = new ServiceTable()
  const vip = '198.51.100.1'
  const http = service(vip, 80)
  const ftp = service(vip, 21)
  const any = service(vip, 0)
  const marked = service('0.0.0.0', 0, TCP, 7)
  table.add(http)
  t.equal(table.find(flow(vip, 80), 0, false), http)
  t.equal(table.find(flow(vip, 81), 0, false), undefined)
  t.equal(table.find(flow(vip, 80, UDP), 0, false), undefined, 'another protocol')
  table.add(ftp)
  t.equal(table.find(flow(vip, 20), 0, false), ftp)
  t.equal(table.find(flow(vip, 1024), 0, false), ftp)
  t.equal(table.find(flow(vip, 1023), 0, false), undefined)
  table.add(any)
  t.equal(table.find(flow(vip, 1023), 0, false), any)
  t.equal(table.find(flow(vip, 1024), 0, false), ftp, 'FTP before any port')
  t.equal(table.find(flow(vip, 80), 7, false), http, 'a mark without service falls through')
  table.add(marked)
  t.equal(table.find(flow(vip, 80), 7, false), marked)
  t.equal(table.find(flow('203.0.113.9', 1), 7, false), marked, 'whatever the address')
  table.remove(ftp)
  t.equal(table.find(flow(vip, 1024), 0, false), any)
  table.remove(any)
  t.equal(table.find(flow(vip, 1024), 0, false), undefined)
})

t.test('an inverse flow has the virtual side as its source', async t => {
  const table = new ServiceTable()
  const http = service('198.51.100.1', 80)
  table.add(http)
  const quoted = flow('192.0.2.1', 999, TCP, '198.51.100.1', 80)
  t.equal(table.find(quoted, 0, true), http)
  t.equal(table.find(quoted, 0, false), undefined)
})

t.test('families and counts are kept apart', async t => {
  const table = new ServiceTable()
  const four = service('198.51.100.1', 80)
  const six = service('2001:db8:f::1', 80)
  table.add(four)
  t.equal(table.count(4), 1)
  t.equal(table.count(6), 0)
  table.add(six)
  t.equal(table.find(flow('2001:db8:f::1', 80, TCP, '2001:db8:1::1'), 0, false), six)
  table.remove(four)
  t.equal(table.count(4), 0)
  t.equal(table.count(6), 1)
  t.equal(table.size, 1)
})

t.test('masquerading real servers and known addresses are counted', async t => {
  const table = new ServiceTable()
  const stats = new Float64Array(8 * STRIDE)
  const [a, b] = [service('198.51.100.1', 80), service('198.51.100.2', 80)]
  table.add(a)
  table.add(b)
  const make = (r: number, flags: number) => {
    const dest = new Dest(r, stats, { ...at('10.0.0.1'), port: 8080 })
    dest.connFlags = flags
    return dest
  }
  const [one, two, direct] = [make(1, MASQ), make(2, MASQ), make(3, DROUTE)]
  const reply = flow('192.0.2.1', 999, TCP, '10.0.0.1', 8080)
  const knows = (text: string) => {
    const { family, w0, w1, w2, w3 } = at(text)
    return table.knowsAddress(family, w0, w1, w2, w3)
  }
  table.addServer(a, direct)
  t.notOk(table.isServerSource(reply), 'direct routing rewrites nothing')
  table.addServer(a, one)
  table.addServer(b, two)
  t.ok(table.isServerSource(reply))
  t.notOk(table.isServerSource(flow('192.0.2.1', 999, TCP, '10.0.0.1', 8081)))
  t.notOk(table.isServerSource(flow('192.0.2.1', 999, UDP, '10.0.0.1', 8080)))
  t.ok(knows('10.0.0.1'))
  table.removeServer(one)
  t.ok(table.isServerSource(reply), 'the other service has it too')
  table.removeServer(two)
  t.notOk(table.isServerSource(reply))
  t.notOk(knows('10.0.0.1'))
  t.ok(knows('198.51.100.2'))
  table.remove(b)
  t.notOk(knows('198.51.100.2'))
})

t.test('a real server of a service by mark is one of every protocol', async t => {
  const table = new ServiceTable()
  const marked = service('0.0.0.0', 0, TCP, 7)
  table.add(marked)
  const dest = new Dest(1, new Float64Array(4 * STRIDE), { ...at('10.0.0.1'), port: 8080 })
  dest.connFlags = MASQ
  table.addServer(marked, dest)
  for (const protocol of [TCP, UDP]) {
    const source = flow('192.0.2.1', 999, protocol, '10.0.0.1', 8080)
    t.equal(table.serverOf(source), dest)
  }
  table.removeServer(dest)
  t.notOk(table.isServerSource(flow('192.0.2.1', 999, UDP, '10.0.0.1', 8080)))
})

t.test('of real servers that share an endpoint the newest answers, whichever went', async t => {
  const table = new ServiceTable()
  const source = flow('192.0.2.1', 999, TCP, '10.0.0.1', 8080)
  const dests = [1, 2, 3, 4].map(row => {
    const dest = new Dest(row, new Float64Array(STRIDE * 5), { ...at('10.0.0.1'), port: 8080 })
    dest.connFlags = MASQ
    table.addServer(service('198.51.100.1', row), dest)
    return dest
  })
  const expected: [gone: number, newest: number | undefined][] = [
    [2, 4],
    [4, 3],
    [1, 3],
    [3, undefined],
  ]
  t.equal(table.serverOf(source)?.row, 4)
  for (const [gone, newest] of expected) {
    table.removeServer(dests[gone - 1]!)
    t.equal(table.serverOf(source)?.row, newest, `without ${gone}`)
    table.removeServer(dests[gone - 1]!)
  }
  table.addServer(service('198.51.100.1', 9), dests[0]!)
  t.equal(table.serverOf(source)?.row, 1)
})
