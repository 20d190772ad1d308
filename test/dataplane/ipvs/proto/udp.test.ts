import t from 'tap'
import { Gate } from '../../../../dataplane/ipvs/proto/protocol.js'
import { Bench, packetOf } from './bench.js'

const UDP = 17
const datagram = packetOf([0x10, 0, 0, 53, 0, 8, 0, 0])

t.test('one state, 300 s, never active; an answer assures the template', async t => {
  const bench = new Bench(UDP)
  t.equal(bench.fromClient(datagram), 'UDP')
  t.strictSame([bench.timeoutS, bench.isActive, bench.isAssured], [300, false, false])
  t.equal(bench.dest.inactConns, 1)
  bench.fromServer(datagram)
  t.strictSame([bench.timeoutS, bench.isActive, bench.isAssured], [300, false, true])
})

t.test('any whole datagram opens a connection, none asks for a new one', async t => {
  const { protocol, c } = new Bench(UDP)
  t.equal(protocol.gate(datagram), Gate.schedule)
  t.equal(protocol.gate(packetOf([0, 1, 2, 3, 4, 5, 6])), Gate.drop)
  t.notOk(protocol.isNewConnection(datagram))
  t.notOk(protocol.isReuseExpected(c, 3))
  t.notOk(protocol.isReset(datagram))
})
