import t from 'tap'
import { Guarded, Role } from '../../../dataplane/ipvs/guarded.js'
import { Flow } from '../../../dataplane/packet.js'
import * as address from '../../../dataplane/wire/address.js'

const TCP = 6
const UDP = 17
const VIP = '198.51.100.1'
const REAL = '10.0.0.1'
const CLIENT = '192.0.2.1'

function flow(protocol: number, src: string, srcPort: number, dst: string, dstPort: number): Flow {
  const s = address.parse(src)!
  const d = address.parse(dst)!
  return Object.assign(new Flow(), {
    ...{ family: s.family, protocol, srcPort, dstPort },
    ...{ src0: s.w0, src1: s.w1, src2: s.w2, src3: s.w3 },
    ...{ dst0: d.w0, dst1: d.w1, dst2: d.w2, dst3: d.w3 },
  })
}
const at = (text: string) => address.parse(text)!

t.test('endpoints are counted', async t => {
  const guarded = new Guarded()
  const to = flow(TCP, CLIENT, 4000, VIP, 80)
  guarded.hold(Role.vip, at(VIP), TCP, 80)
  guarded.hold(Role.vip, at(VIP), TCP, 80)
  guarded.release(Role.vip, at(VIP), TCP, 80)
  t.ok(guarded.isToVip(to, false))
  guarded.release(Role.vip, at(VIP), TCP, 80)
  t.notOk(guarded.isToVip(to, false))
  t.doesNotThrow(() => guarded.release(Role.vip, at(VIP), TCP, 80))
})

t.test('role, protocol, port and direction matter', async t => {
  const guarded = new Guarded()
  guarded.hold(Role.vip, at(VIP), TCP, 80)
  guarded.hold(Role.real, at(REAL), TCP, 8080)
  t.ok(guarded.isToVip(flow(TCP, VIP, 80, CLIENT, 4000), true), 'quoted: from the service')
  t.notOk(guarded.isToVip(flow(TCP, VIP, 80, CLIENT, 4000), false))
  t.notOk(guarded.isToVip(flow(UDP, CLIENT, 4000, VIP, 80), false))
  t.notOk(guarded.isToVip(flow(TCP, CLIENT, 4000, VIP, 81), false))
  t.ok(guarded.isFromReal(flow(TCP, REAL, 8080, CLIENT, 4000), false))
  t.ok(guarded.isFromReal(flow(TCP, CLIENT, 4000, REAL, 8080), true), 'quoted: to the server')
  t.notOk(guarded.isFromReal(flow(TCP, VIP, 80, CLIENT, 4000), false))
  t.notOk(guarded.isFromReal(flow(1, REAL, 8080, CLIENT, 4000), false), 'ICMP has no ports')
})

t.test('FTP’s ports can be others; 21 stays IPVS’s own', async t => {
  const guarded = new Guarded()
  guarded.hold(Role.vip, at(VIP), TCP, 2121)
  guarded.hold(Role.vip, at('2001:db8::21'), TCP, 21)
  const to = (vip: string) => {
    const client = vip === VIP ? CLIENT : '2001:db8::1'
    return guarded.isToVip(flow(TCP, client, 4000, vip, 30000), false)
  }
  t.notOk(to(VIP))
  guarded.ftpPorts = [2121]
  t.ok(to(VIP))
  t.ok(to('2001:db8::21'))
  guarded.ftpPorts = []
  t.notOk(to(VIP))
  t.ok(to('2001:db8::21'))
})

t.test('port 0 is every port, and FTP brings its data ports', async t => {
  const guarded = new Guarded()
  guarded.hold(Role.vip, at(VIP), UDP, 0)
  guarded.hold(Role.vip, at('2001:db8::21'), TCP, 21)
  t.ok(guarded.isToVip(flow(UDP, CLIENT, 4000, VIP, 12345), false))
  for (const [port, is] of [
    [20, true],
    [21, true],
    [22, false],
    [1023, false],
    [1024, true],
    [65535, true],
  ] as const) {
    t.equal(guarded.isToVip(flow(TCP, '2001:db8::1', 4000, '2001:db8::21', port), false), is)
  }
})
