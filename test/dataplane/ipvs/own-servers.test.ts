import t from 'tap'
import { Dest } from '../../../dataplane/ipvs/dest.js'
import { OwnServers } from '../../../dataplane/ipvs/own-servers.js'
import type { NetworkView } from '../../../dataplane/net/network.js'
import { LOCALNODE, MASQ } from '../../../dataplane/shared/conn-record.js'
import { STRIDE } from '../../../dataplane/shared/statistics.js'

const FAMILY = 4

/** Dests with their row as address, on a host that has the addresses in `local`. */
function setup(count: number) {
  const local = new Set<number>()
  const network = { isLocal: (_: number, w0: number) => local.has(w0) } as unknown as NetworkView
  const stats = new Float64Array((count + 1) * STRIDE)
  const dests = Array.from({ length: count + 1 }, (_, row) => {
    if (row === 0) return undefined
    const dest = new Dest(row, stats, { family: FAMILY, w0: row, w1: 0, w2: 0, w3: 0, port: 80 })
    dest.connFlags = MASQ
    return dest
  })
  return { local, dests, own: new OwnServers(dests, network) }
}

t.test('a real server is the host itself by its address or by what was said of it', async t => {
  const { local, dests, own } = setup(2)
  own.look(dests[1]!)
  t.notOk(own.any)
  local.add(1)
  own.look(dests[1]!)
  t.ok(own.any)
  own.forget(dests[1]!)
  t.notOk(own.any)
  dests[2]!.connFlags = LOCALNODE
  own.look(dests[2]!)
  t.ok(own.any)
  dests[2]!.connFlags = MASQ
  own.look(dests[2]!)
  t.notOk(own.any)
})

t.test('addresses that come and go later are noticed, a part of the rows at a time', async t => {
  const { local, own } = setup(20_000)
  const last = 20_000
  own.sweep()
  t.notOk(own.any)
  local.add(last)
  own.sweep()
  t.notOk(own.any, 'not its turn yet')
  own.sweep()
  t.ok(own.any)
  local.delete(last)
  for (let i = 0; i < 3; i++) own.sweep()
  t.notOk(own.any)
})
