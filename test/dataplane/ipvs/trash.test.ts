import t from 'tap'
import { Dest } from '../../../dataplane/ipvs/dest.js'
import { Guarded, Role } from '../../../dataplane/ipvs/guarded.js'
import { Service } from '../../../dataplane/ipvs/service.js'
import { Trash, TRASH_PERIOD_TICKS } from '../../../dataplane/ipvs/trash.js'
import { STRIDE } from '../../../dataplane/shared/statistics.js'
import * as address from '../../../dataplane/wire/address.js'

const TCP = 6
const vip = address.parse('198.51.100.1')!
const real = address.parse('10.0.0.1')!

function setup() {
  const guarded = new Guarded()
  const told: string[] = []
  const trash = new Trash(
    guarded,
    dest => told.push(`idle ${dest.row}`),
    dest => told.push(`free ${dest.row}`),
  )
  const service = new Service(1, { ...vip, protocol: TCP, port: 80, fwmark: 0 })
  const dest = new Dest(1, new Float64Array(4 * STRIDE), { ...real, port: 8080 })
  const isHeld = () => guarded.holds(Role.vip, vip, TCP, 80)
  return { trash, service, dest, told, isHeld }
}

t.test('a server without connections leaves its endpoints to the host at once', async t => {
  const { trash, service, dest, told, isHeld } = setup()
  trash.put(dest, service)
  t.strictSame(told, ['idle 1'])
  t.notOk(isHeld())
})

t.test('with connections they stay until the last one has gone', async t => {
  const { trash, service, dest, told, isHeld } = setup()
  dest.references = 2
  trash.put(dest, service)
  t.ok(isHeld())
  dest.references = 1
  trash.releaseIdle()
  t.ok(isHeld())
  t.strictSame(told, [])
  dest.references = 0
  trash.releaseIdle()
  trash.releaseIdle()
  t.notOk(isHeld())
  t.strictSame(told, ['idle 1'], 'told once')
})

t.test('freed after 120 s without references, counted from a sweep (semantics 2.7)', async t => {
  const { trash, service, dest, told } = setup()
  trash.put(dest, service)
  told.length = 0
  let tick = 0
  let sweeps = 0
  while (told.length === 0 && sweeps < 10) {
    sweeps++
    trash.sweep((tick += TRASH_PERIOD_TICKS))
  }
  t.strictSame(told, ['free 1'])
  t.equal(sweeps, 3, 'first seen idle at 60 s, freed at 180 s')
  t.equal(trash.size, 0)
})

t.test('a reference that comes back starts the 120 s anew', async t => {
  const { trash, service, dest, told } = setup()
  trash.put(dest, service)
  told.length = 0
  trash.sweep(6000)
  dest.references = 1
  trash.sweep(12_000)
  dest.references = 0
  trash.sweep(18_000)
  trash.sweep(24_000)
  t.strictSame(told, [])
  trash.sweep(30_000)
  t.strictSame(told, ['free 1'])
})

t.test('taken back only by an equal service', async t => {
  const { trash, service, dest, isHeld } = setup()
  dest.references = 1
  trash.put(dest, service)
  const other = new Service(2, { ...vip, protocol: TCP, port: 81, fwmark: 0 })
  t.equal(trash.take(other, real, 8080), null)
  t.equal(trash.take(service, real, 8081), null)
  t.equal(trash.take(service, real, 8080), dest)
  t.notOk(isHeld(), 'its service holds the endpoint itself now')
  t.equal(trash.take(service, real, 8080), null)
})

t.test('one that is only remembered stays until its row is needed', async t => {
  const { trash, service, dest, told } = setup()
  trash.put(dest, service)
  dest.remembered = 1
  for (let tick = 0; tick < 100_000; tick += TRASH_PERIOD_TICKS) trash.sweep(tick)
  t.strictSame(told, ['idle 1'], 'its endpoints are the host’s')
  dest.references = 1
  t.notOk(trash.evict(), 'never one with connections')
  dest.references = 0
  t.ok(trash.evict())
  t.strictSame(told, ['idle 1', 'free 1'])
  t.notOk(trash.evict())
})

t.test('a server that thousands of services share is found without looking at theirs', async t => {
  const { trash } = setup()
  let looks = 0
  const services = Array.from({ length: 3000 }, (_, i) => {
    const mark = i % 3 === 0 ? i + 1 : 0
    return new Service(i + 1, { ...vip, protocol: TCP, port: 1 + i, fwmark: mark })
  })
  const statistics = new Float64Array(4000 * STRIDE)
  for (const [i, service] of services.entries()) {
    const dest = new Dest(i + 1, statistics, { ...real, port: 8080 })
    Object.defineProperty(dest, 'port', { get: () => (looks++, 8080) })
    trash.put(dest, service)
  }
  looks = 0
  const others = services.map((_, i) => {
    return new Service(1, { ...vip, protocol: TCP, port: 10_000 + i, fwmark: 0 })
  })
  t.ok(others.every(service => trash.take(service, real, 8080) === null))
  const rows = services.toReversed().map(service => trash.take(service, real, 8080)?.row)
  t.strictSame(
    rows.reverse(),
    services.map((_, i) => i + 1),
  )
  t.equal(trash.size, 0)
  t.ok(looks < 4 * services.length, `${looks} looks for ${services.length} servers`)
})
